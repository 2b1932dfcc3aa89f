"""`noisy_student`: the predictions of a frozen teacher replace missing labels of a student."""

from typing import Any, ClassVar, Literal

from torch import Tensor

from musicssl.batch import Batch
from musicssl.data.needs import Needs
from musicssl.errors import InputError
from musicssl.methods.base.distillation import divergence
from musicssl.methods.base.semi_supervised import SemiSupervisedMethod, Step


class NoisyStudent(SemiSupervisedMethod):
    """Train a student on augmented clips to predict what a teacher predicts on the same clips.

    Xie, Luong, Hovy and Le 2020, https://arxiv.org/abs/1911.04252, as Won, Choi and Serra 2021,
    https://arxiv.org/abs/2111.13457, use it for music tagging: the teacher has learnt from labelled
    clips; its probabilities are soft pseudo-labels of unlabelled clips; the student sees a
    disturbed clip (`views.student`) under dropout, and learns from labels and pseudo-labels:

        loss = supervised + consistency_weight * KL(teacher || student)

    The divergence is the mean over the cells with a pseudo-label, in a multi-class corpus over the
    clips. It differs from the published cross-entropy by the entropy of the teacher alone, so that
    gradients are the same.

    Where labels are partial, a labelled clip has cells without a label. `pseudo_labels` says which
    cells the teacher fills. If all of a clip's labels are observed or none, both choices are the
    same. An observed label is never replaced.

    The student of one run is the teacher of the next.

    Differences from Won et al.: the teacher hears the whole clip, once before training, where the
    student has a crop; theirs hears the same crop. Labelled clips are disturbed too, as with Xie et
    al. The moving average of the student's weights predicts, as in every method of this kind.
    Their code calls a loss that doubts missing labels ("skeptical") and does not define it; here an
    unobserved cell has a pseudo-label, and an observed one counts as it is.

    Args:
        pseudo_labels: Which cells get a pseudo-label: "unobserved", all without a label, or
            "unlabelled", those of clips without any label, as published.
        parts: See `SemiSupervisedMethod`.

    Raises:
        InputError: If the task is a regression, or `pseudo_labels` is another word.
    """

    needs: ClassVar[Needs] = Needs(teacher=("logits",))

    def __init__(
        self, *, pseudo_labels: Literal["unobserved", "unlabelled"] = "unobserved", **parts: Any
    ) -> None:
        super().__init__(**parts)
        if pseudo_labels not in ("unobserved", "unlabelled"):
            raise InputError(
                f"method.pseudo_labels must be unobserved or unlabelled, got {pseudo_labels}."
            )
        if not self.task.has_classes:
            raise InputError(
                "method=noisy_student is for corpora with classes, but the targets of this corpus "
                f"are {self.task.name}; choose method=mean_teacher or method=east."
            )
        self.pseudo_labels = pseudo_labels

    def step(self, batch: Batch) -> Step:
        """Compare the student on a disturbed clip with the teacher on the clip itself."""
        assert batch.teacher is not None  # `serve` has made sure
        logits = self.answers(self.classifier, batch.augmented(self.views.student))
        cells = self._cells(batch.mask)
        return Step(logits, divergence(self.task, logits, batch.teacher, cells, batch.teacher_mask))

    def _cells(self, mask: Tensor) -> Tensor:
        """Return the cells that get a pseudo-label, (B, C) bool."""
        if self.pseudo_labels == "unobserved":
            return ~mask
        return ~mask.any(dim=1, keepdim=True).expand_as(mask)
