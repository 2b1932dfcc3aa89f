"""The base class of the consistency methods: student, averaged teacher, and a ramped weight."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from musicssl.augment.mixing.mixing import Mixing
from musicssl.augment.views import Views
from musicssl.batch import Batch
from musicssl.errors import InputError
from musicssl.evaluation.epoch_outputs import EpochOutputs
from musicssl.methods.base.mixing import NO_MIXING, check_mixing
from musicssl.methods.base.stackable import StackableMethod
from musicssl.networks.classifier import Classifier
from musicssl.networks.distributed import has_synchronised
from musicssl.networks.teacher import Teacher


class Step(NamedTuple):
    """The result of a method for a batch.

    Attributes:
        logits: Logits for the supervised loss, (B, C).
        consistency: The loss that needs no labels, a scalar.
        notes: Further scalars to log as `train/NAME`.
    """

    logits: Tensor
    consistency: Tensor
    notes: Mapping[str, Tensor] = MappingProxyType({})


class SemiSupervisedMethod(StackableMethod):
    """Learn from observed labels, and from a consistency loss on all clips.

        loss = supervised + consistency_weight * ramp(epoch) * consistency

    The supervised loss is the mean over the observed cells of the batch. (Tarvainen and Valpola's
    code divides by the size of the whole batch, so that the weight of this loss shrinks with the
    labelled share; to use their consistency weight here, multiply it by b_s.)

    Every method of this kind has a `Teacher`, the moving average of its student, even if it does
    not learn from it. The teacher is validated, selected and predicts, so that methods differ in
    their losses, not in the averaging of their weights. The student is validated too, as
    `val/student_...`.

    Args:
        views: Makes the student's view and the target's view.
        teacher: Builds the teacher from the student.
        consistency_weight: Maximal weight of the consistency loss.
        ramp: Maps the epochs trained so far, a fraction included, to a factor of that weight.
        joint_batch_norm: Whether labelled and unlabelled clips of a batch share the statistics of
            batch norms; otherwise student and teacher process them one after the other.
        mixing: Mixes the clips of a training batch before views are made of them, labelled clips
            with labelled and unlabelled with unlabelled ones; see `musicssl.augment.mixing`.
        parts: See `Method`.

    Raises:
        InputError: If the weight is negative, or `teacher.batch_norm` is "own" although the method
            never trains the teacher on a batch, or if clips cannot be mixed in this way.
    """

    predicts_with: ClassVar[str] = "teacher.average"
    copies: ClassVar[tuple[str, ...]] = ("teacher.average",)
    teaches: ClassVar[bool] = False  # whether `step` runs the teacher on training batches

    def __init__(
        self,
        *,
        views: Views,
        teacher: Callable[[Classifier], Teacher],
        consistency_weight: float,
        ramp: Callable[[float], float],
        joint_batch_norm: bool = True,
        mixing: Mixing = NO_MIXING,
        **parts: Any,
    ) -> None:
        super().__init__(**parts)
        if consistency_weight < 0:
            raise InputError(
                f"method.consistency_weight must be 0 or more, got {consistency_weight:g}."
            )
        self.views = views.each_by_itself()
        self.teacher = teacher(self.classifier)
        if self.teacher.batch_norm == "own" and not self.teaches:
            raise InputError(
                "teacher.batch_norm=own needs a method that runs the teacher on training clips, "
                "such as mean_teacher; choose averaged or copied."
            )
        self.consistency_weight = consistency_weight
        self.ramp = ramp
        self.joint_batch_norm = joint_batch_norm
        self.mixing = check_mixing(mixing, self.task)
        self._student_outputs = EpochOutputs()

    @abstractmethod
    def step(self, batch: Batch) -> Step:
        """Return logits and consistency loss of a batch."""

    def on_train_start(self) -> None:
        """Check that synchronised batch norms see equally many batches on all ranks.

        A rank whose batch has no labelled clips, or no others, passes one batch through the network
        where the other ranks pass two, and they would wait for it for ever.

        Raises:
            InputError: If the labelled share of a batch may differ between ranks.
        """
        if self.joint_batch_norm or not has_synchronised(self):
            return
        setting = "data.b_s=null"
        if self.data.b_s is not None:
            if self.data.drop_labels == 0:
                return
            setting = f"data.drop_labels={self.data.drop_labels:g}"
        raise InputError(
            f"with {setting} a process may draw a batch without labelled clips, for which "
            "method.joint_batch_norm=false and trainer.sync_batchnorm=true do not go together; "
            "set data.b_s and leave data.drop_labels out, or set one of the two otherwise."
        )

    def answers(self, network: Callable[[Batch], Tensor], batch: Batch) -> Tensor:
        """Return what the student or the teacher gives in training: logits, (B, C) float32."""
        labelled = batch.mask.any(dim=1)
        if self.joint_batch_norm or labelled.all() or not labelled.any():
            return network(batch).float()
        first = network(batch.select(labelled)).float()
        answers = first.new_empty(len(labelled), first.shape[1])
        answers[labelled], answers[~labelled] = first, network(batch.select(~labelled)).float()
        return answers

    def weight_at(self, epoch: float) -> float:
        """Return the weight of the consistency loss."""
        return self.consistency_weight * self.ramp(epoch)

    def terms(self, batch: Batch, weight: float | Tensor) -> dict[str, Tensor]:
        """Return the loss of a batch and its parts."""
        batch = self.mixing(batch)
        logits, consistency, notes = self.step(batch)
        supervised = self.batch_loss(logits, batch.y, batch.mask)
        return {
            "loss": supervised + weight * consistency,
            "supervised_loss": supervised,
            "consistency_loss": consistency,
            "consistency_weight": torch.as_tensor(weight),
            **notes,
        }

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Update the teacher after each optimizer step, also with accumulated gradients."""
        super().optimizer_step(*args, **kwargs)
        self.stepped(self.trainer.global_step + 1)

    def stepped(self, steps: int) -> None:
        """Update the teacher."""
        self.teacher.update(self.classifier, steps)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Keep the logits of teacher and student until the epoch ends."""
        super().validation_step(batch, batch_idx)
        self._student_outputs.update(self.classifier.predict(batch), batch.y, batch.mask)

    def on_validation_epoch_end(self) -> None:
        """Log loss and overall metrics of teacher and student."""
        super().on_validation_epoch_end()
        self.log_outputs("val/student_", self._student_outputs)
