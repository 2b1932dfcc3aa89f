"""`strong`: supervised learning from labels of every instance."""

from typing import Any, ClassVar

import torch
from torch import Tensor

from musicssl.augment.views import NO_VIEWS, Views
from musicssl.batch import Batch
from musicssl.data.label_grid import fits_label_frames, samples_per_label_frame
from musicssl.data.needs import Needs
from musicssl.errors import InputError
from musicssl.evaluation.epoch_outputs import EpochOutputs
from musicssl.methods.base.method import Method


class StrongSupervision(Method):
    """Learn which class sounds in which instance, from a corpus with labels in time.

    The loss is the mean over the instances and observed classes of the batch. The pooling is not
    trained; it only computes the scores of clips (`pooling=max`: the highest score of any second).
    With `encoder=mlp`, `cnn` or `crnn` this is instrument activity detection as in chapter 2 of
    Gururani's thesis, whose own networks and training are `experiment=activity_mlp`, `activity_cnn`
    and `activity_crnn`. On the same corpus, encoder and clips as `att`, it measures the cost of
    weak labels. Clips whose labels are hidden add nothing to the loss.

    The metrics of instances are logged as `val/instance_...`, those of clips as `val/...`.

    Args:
        views: Its `student` augments training clips. It must leave time as it is, for the labels
            are not moved with the sound: `views=pitch_shift` does, shuffling or stretching does
            not.
        parts: See `Method`.

    Raises:
        InputError: If the task is not multi_label.
    """

    needs: ClassVar[Needs] = Needs(activity=True)

    def __init__(self, *, views: Views = NO_VIEWS, **parts: Any) -> None:
        super().__init__(**parts)
        self.views = views.each_by_itself()
        if not self.task.has_classes or self.task.one_class_per_clip:
            raise InputError(
                "method=strong learns which of several classes sound at a time, but the targets of "
                f"this corpus are of the kind {self.task.name}; choose method=att."
            )
        self._instance_outputs = EpochOutputs()

    def setup(self, stage: str) -> None:
        """Check that the chunks of the encoder fit to the label frames; see `Method`."""
        super().setup(stage)
        if stage != "fit":
            return
        corpus = self.data.corpus
        chunk = getattr(self.classifier.encoder, "chunk_samples", None)
        if not fits_label_frames(chunk, corpus):
            raise InputError(
                f"encoder.chunk_samples={chunk} is not a multiple of a label frame of "
                f"{corpus.instance_seconds:g} s, {samples_per_label_frame(corpus)} samples; choose "
                "encoder=mlp, cnn or crnn, or another encoder.chunk_samples."
            )

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss on the instances of a batch."""
        loss = self.batch_loss(*self._instances(batch.augmented(self.views.student)))
        self.record(loss=loss)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Keep the logits of clips and of instances until the epoch ends."""
        super().validation_step(batch, batch_idx)
        self._instance_outputs.update(*self._instances(batch))

    def on_validation_epoch_end(self) -> None:
        """Log loss and overall metrics of clips and of instances."""
        super().on_validation_epoch_end()
        self.log_outputs("val/instance_", self._instance_outputs)

    def _instances(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits, targets and mask of the batch's instances, each (I, C)."""
        h, valid = self.classifier.embed(batch)
        logits = self.classifier.pooling.instances(h, valid).logits  # (B, T, C)
        activity = batch.activity
        assert activity is not None
        if activity.shape != logits.shape:
            raise InputError(
                f"the encoder makes {logits.shape[1]} instances of a clip of {activity.shape[1]} "
                "label frames; choose an encoder with one instance for each, such as mlp, cnn or "
                "crnn (sound), att or fc_t (instances)."
            )
        mask = batch.mask[:, None].expand_as(activity)
        if valid is not None:
            mask = mask & valid[..., None]
        rows = torch.stack([logits, activity.to(logits)]).flatten(1, 2)
        return rows[0], rows[1], mask.flatten(0, 1)
