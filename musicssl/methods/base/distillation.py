"""The base class of methods that learn from a frozen teacher."""

from abc import abstractmethod
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from musicssl.augment.mixing.mixing import Mixing
from musicssl.batch import Batch
from musicssl.errors import InputError
from musicssl.evaluation.tasks import Task
from musicssl.losses.distillation import binary_distillation, softmax_distillation
from musicssl.methods.base.method import Method
from musicssl.methods.base.mixing import NO_MIXING, check_mixing
from musicssl.networks.distributed import gathered
from musicssl.probing.base import Embeddings
from musicssl.probing.linear import fit_linear


class DistillationMethod(Method):
    """Learn from observed labels, and from the outputs of a teacher for all clips of a batch.

        loss = (1 - teacher_weight) * supervised + teacher_weight * teacher_loss

    as in Ding and Lerch 2023, https://arxiv.org/abs/2306.17424, whose lambda is `teacher_weight`.
    The outputs of the teacher were computed once, for whole clips without augmentation, and come
    with the batch; see `musicssl.data.teacher`. Clips without them add nothing to `teacher_loss`.

    If the teacher gives embeddings, its logits are those of TeacherLR, a logistic regression on
    them: the linear probe of `musicssl.probing.linear`, fitted before training to the labels that
    this run may see. (The authors train it by gradient descent.)

    Args:
        teacher_weight: Weight of `teacher_loss`, in [0, 1]; 0 ignores the teacher.
        temperature: By which logits of student and teacher are divided, above 0.
        distil: Which cells are compared: "observed", those whose labels this run may see, as
            published, or "all".
        mixing: Mixes the clips of a training batch, with their labels and outputs of the teacher;
            see `musicssl.augment.mixing`.
        parts: See `Method`.

    Raises:
        InputError: If a setting is out of range, or clips cannot be mixed in this way.
    """

    lr_weight: Tensor | None
    lr_bias: Tensor | None
    loss_curves: ClassVar[tuple[str, ...]] = (
        *("train/loss", "train/supervised_loss", "train/teacher_loss", "val/loss"),
    )

    def __init__(
        self,
        *,
        teacher_weight: float,
        temperature: float = 2.0,
        distil: Literal["observed", "all"] = "observed",
        mixing: Mixing = NO_MIXING,
        **parts: Any,
    ) -> None:
        super().__init__(**parts)
        if not 0 <= teacher_weight <= 1:
            raise InputError(f"method.teacher_weight must be in [0, 1], got {teacher_weight:g}.")
        if not temperature > 0:
            raise InputError(f"method.temperature must be above 0, got {temperature:g}.")
        if distil not in ("observed", "all"):
            raise InputError(f"method.distil must be observed or all, got {distil}.")
        self.teacher_weight = teacher_weight
        self.temperature = temperature
        self.distil = distil
        self.mixing = check_mixing(mixing, self.task)
        self.register_buffer("lr_weight", None, persistent=False)
        self.register_buffer("lr_bias", None, persistent=False)

    @property
    def distils(self) -> bool:
        """Whether `teacher_loss` compares logits, which the teacher must have."""
        return True

    @abstractmethod
    def teacher_loss(self, batch: Batch) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Return logits, (B, C), their loss against the teacher, and the parts of it to log."""

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of a batch."""
        batch = self.mixing(batch)
        logits, teacher_loss, notes = self.teacher_loss(batch)
        supervised = self.batch_loss(logits, batch.y, batch.mask)
        loss = (1 - self.teacher_weight) * supervised + self.teacher_weight * teacher_loss
        self.record(loss=loss, supervised_loss=supervised, teacher_loss=teacher_loss, **notes)
        return loss

    def distillation(self, logits: Tensor, batch: Batch) -> Tensor:
        """Return the divergence of the student's logits, (B, C), from the teacher's."""
        with torch.no_grad():
            teacher = self.teacher_logits(batch)
        cells = batch.mask if self.distil == "observed" else torch.ones_like(batch.mask)
        return divergence(self.task, logits, teacher, cells, batch.teacher_mask, self.temperature)

    def teacher_logits(self, batch: Batch) -> Tensor:
        """Return the logits of the teacher for the clips of a batch, (B, C)."""
        assert batch.teacher is not None
        if self.lr_weight is None or self.lr_bias is None:
            return batch.teacher
        return batch.teacher @ self.lr_weight.T + self.lr_bias

    def setup(self, stage: str) -> None:
        """Fit TeacherLR, if logits are compared and the teacher gives embeddings.

        Raises:
            InputError: If there is no teacher, or it knows no labelled clip of "train" or of "val",
                or the task has no classes.
        """
        super().setup(stage)
        if stage != "fit" or not self.distils:
            return
        if not self.task.has_classes:
            raise InputError(
                "distillation compares probabilities of classes, which a regression does not have; "
                "choose method=east with method.kd_share=0."
            )
        assert self.data.teacher is not None  # `serve` has made sure
        if self.data.teacher.kind == "embeddings":
            self._fit_teacher()

    def _fit_teacher(self) -> None:
        name = self.data.teacher.name if self.data.teacher else ""
        train, val = (Embeddings(*self.data.teacher_outputs(split)) for split in ("train", "val"))
        for split, clips in (("training", train), ("validation", val)):
            if not self.task.usable(clips.mask).any():
                raise InputError(
                    f"{name} has no labelled {split} clip, which distillation needs to learn "
                    "classes from embeddings; extract the embeddings of all clips."
                )
        probe = fit_linear(train, val, self.task)
        self.lr_weight, self.lr_bias = probe.weight.to(self.device), probe.bias.to(self.device)


def divergence(
    task: Task,
    student: Tensor,
    teacher: Tensor,
    cells: Tensor,
    teacher_mask: Tensor | None,
    tau: float = 1.0,
) -> Tensor:
    """Average the divergence of a student's predictions from a teacher's, as the task defines it.

    In a distributed run this is the average over the clips of all ranks.

    Args:
        task: With classes.
        student: Logits, (B, C).
        teacher: Logits, (B, C), without gradient.
        cells: True where they are compared, (B, C) bool; in a multi-class task, the clips of which
            all cells are.
        teacher_mask: See `Batch`.
        tau: Temperature; see `musicssl.losses.distillation`.

    Returns:
        Scalar, in nats; 0 if nothing is compared.
    """
    if teacher_mask is not None:
        cells = cells & teacher_mask[:, None]
    student, teacher, cells = gathered(student, teacher, cells)
    if task.one_class_per_clip:
        return softmax_distillation(student, teacher, task.usable(cells).all(dim=1), tau)
    return binary_distillation(student, teacher, cells, tau)
