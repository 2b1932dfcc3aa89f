"""`label_enhancing`: missing labels are negatives, unless a teacher finds them likely."""

import math
from typing import Any, ClassVar

import torch
from torch import Tensor

from musicssl.batch import Batch
from musicssl.data.missing_labels import NEGATIVE
from musicssl.data.needs import Needs
from musicssl.data.splits import share_of
from musicssl.errors import InputError
from musicssl.methods.base.method import Method
from musicssl.methods.base.phases import Phases
from musicssl.networks.classifier import Classifier
from musicssl.schedules import Schedule, bound_to


class LabelEnhancing(Method):
    """Train a teacher with missing labels as negatives, then a student without the doubtful ones.

    The second of the author's studies of partly labelled clips (2021,
    https://arxiv.org/abs/2111.12761): most labels that are missing are negatives. In the first
    phase, of `teacher_epochs`, a teacher learns with all of them as negatives. Then, of the missing
    labels of each class, the share `pruned` with the highest predictions of the teacher is masked.
    In the second phase a student learns from scratch with what is left. The student predicts.

    Deviations from the author's code: the teacher is that of the last epoch of its phase instead of
    the best on validation, and the learning rate starts again with the student, where the code
    continues from the rate that the teacher ended with.

    Validation in the first phase is the teacher's; none of its epochs is kept as the best.

    Args:
        teacher_epochs: Epochs of the first phase; the student gets the others.
        pruned: Share of the missing labels of each class that is masked, in [0, 1].
        parts: See `Method`.

    Raises:
        InputError: If a number is out of range, or the task is not multi_label.
    """

    needs: ClassVar[Needs] = Needs(only_labelled=True)
    copies: ClassVar[tuple[str, ...]] = ("teacher",)

    def __init__(self, *, teacher_epochs: int = 100, pruned: float = 0.05, **parts: Any) -> None:
        super().__init__(**parts)
        if not self.task.has_classes or self.task.one_class_per_clip:
            raise InputError(
                "method=label_enhancing needs clips that may have several labels, but the targets "
                f"of this corpus are of the kind {self.task.name}; choose method=att."
            )
        if not 0 <= pruned <= 1:
            raise InputError(f"method.pruned must be in [0, 1], got {pruned:g}.")
        if teacher_epochs < 1:
            raise InputError(f"method.teacher_epochs must be 1 or more, got {teacher_epochs}.")
        self.pruned = pruned
        sizes = {name: parts[name] for name in ("num_features", "num_instances", "num_classes")}
        self.teacher = Classifier(*self.classifier.builders, **sizes)
        self.phases = Phases(
            self,
            teacher_epochs,
            lambda first: (self.classifier if first else self.teacher).parameters(),
            setting="teacher_epochs",
        )
        self._used: Tensor | None = None  # cells that the student learns from, (N, C) of the corpus

    @property
    def pretraining(self) -> bool:
        """Whether this epoch is the teacher's."""
        return self.phases.pretraining

    def setup(self, stage: str) -> None:
        """Check that there are epochs for the student, and labels that are missing."""
        super().setup(stage)
        if stage != "fit":
            return
        self.phases.check_epochs()
        if self.data.missing == NEGATIVE:
            raise InputError(
                "method=label_enhancing decides which missing labels are negatives; leave "
                "data.missing=negative out."
            )

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Choose the labels of the student once the teacher is trained, also after a resumption."""
        super().on_train_batch_start(batch, batch_idx)
        if not self.pretraining and self._used is None:
            self._used = self._enhanced()

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of the network of this phase."""
        targets = batch.y.where(batch.mask, 0)
        if self.pretraining:
            loss = self.batch_loss(self.teacher(batch), targets, torch.ones_like(batch.mask))
        else:
            assert self._used is not None
            assert batch.rows is not None
            loss = self.batch_loss(self.classifier(batch), targets, self._used[batch.rows])
        self.record(loss=loss)
        return self.phases.touch_all_parameters(loss)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Leave the other phase's network as it is."""
        super().on_before_optimizer_step(optimizer)
        self.phases.drop_frozen_gradients()

    def validation_outputs(self, batch: Batch) -> Tensor:
        """Return the logits of the network of this phase."""
        logits: Tensor = (self.teacher if self.pretraining else self.classifier)(batch)
        return logits

    def _schedule_over(self, epochs: float) -> Schedule:
        """Return the schedule of the teacher, and from its end on that of the student."""
        first = self.phases.pretrain_epochs
        of_teacher, of_student = (
            bound_to(end, self.schedule) for end in (first, max(epochs - first, 1e-9))
        )
        return lambda epoch: of_teacher(epoch) if epoch < first else of_student(epoch - first)

    @torch.no_grad()
    def _enhanced(self) -> Tensor:
        """Return which cells the student learns from, (N, C), in rows of the corpus."""
        rows = self.data.labelled()
        was_training = self.teacher.training
        self.teacher.eval()
        batches = [batch.to(self.device) for batch in self.data.batches_of(rows)]
        scores = torch.cat([self.teacher(batch).float() for batch in batches])
        observed = torch.cat([batch.mask for batch in batches])
        self.teacher.train(was_training)
        used = torch.zeros(len(self.data.corpus.y), scores.shape[1], dtype=torch.bool)
        used[torch.from_numpy(rows)] = ~doubtful(scores, ~observed, self.pruned).cpu()
        return used.to(self.device)


def doubtful(scores: Tensor, missing: Tensor, share: float) -> Tensor:
    """Return the missing labels of each class with the highest scores, (N, C) bool.

    Args:
        scores: Scores of a teacher, (N, C).
        missing: True where the label was not observed, (N, C).
        share: Fraction of the missing labels of a class, in [0, 1], rounded half up; of equal
            scores the earlier clips'.
    """
    order = scores.masked_fill(~missing, -math.inf).argsort(dim=0, descending=True, stable=True)
    counts = [share_of(int(count), share) for count in missing.sum(dim=0)]
    first = torch.arange(len(scores), device=scores.device)[:, None] < torch.tensor(
        counts, device=scores.device
    )
    return torch.zeros_like(missing).scatter(0, order, first)
