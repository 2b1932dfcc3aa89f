"""`temporal_ensembling`: consistency with earlier predictions on the same clip."""

from typing import Any

from torch import Tensor

from musicssl.augment.mixing.mixing import NoMixing
from musicssl.batch import Batch
from musicssl.errors import InputError
from musicssl.methods.base.semi_supervised import SemiSupervisedMethod, Step
from musicssl.networks.ensemble import PredictionEnsemble


class TemporalEnsembling(SemiSupervisedMethod):
    """Train the network to match the average of its earlier predictions on the clip.

    Laine and Aila 2017, https://arxiv.org/abs/1610.02242, algorithm 2, on probabilities of labels
    (in a multi-class task softmax probabilities, as in the paper; in a regression values). See
    `PredictionEnsemble` for the average. A clip without an earlier prediction adds nothing to the
    consistency loss: if clips are drawn once per epoch, the loss is 0 in the first epoch, as in the
    paper. There is only one view.

    Args:
        momentum: Weight of earlier predictions in the average, in [0, 1); 0.6 in the paper.
        parts: See `SemiSupervisedMethod`.

    Raises:
        InputError: If `momentum` is out of range, or clips are mixed.
    """

    ensemble: PredictionEnsemble

    def __init__(self, *, momentum: float = 0.6, **parts: Any) -> None:
        super().__init__(**parts)
        if not 0 <= momentum < 1:
            raise InputError(f"method.momentum must be in [0, 1), got {momentum:g}.")
        self.momentum = momentum
        if not isinstance(self.mixing, NoMixing):
            raise InputError(
                "method=temporal_ensembling compares a clip with its earlier predictions, which a "
                "mix of two clips does not have; leave out mixing, or choose method=mean_teacher."
            )

    def setup(self, stage: str) -> None:
        """Allocate the ensemble, one prediction for each clip."""
        super().setup(stage)
        if stage == "fit":
            num_clips, num_classes = self.data.corpus.y.shape
            last = int(self.data.training_rows()[-1])  # in the unlabelled corpus, if there is one
            num_clips = max(num_clips, last + 1)
            self.ensemble = PredictionEnsemble(num_clips, num_classes, self.momentum)

    def step(self, batch: Batch) -> Step:
        """Compare the prediction with the ensemble, then update the ensemble with it."""
        assert batch.rows is not None
        logits = self.answers(self.classifier, batch.augmented(self.views.student))
        scores = self.task.scores(logits)
        targets, has_target = self.ensemble.targets(batch.rows)
        difference = (scores - targets) * has_target[:, None]
        self._update_ensemble(batch.rows, scores.detach())
        return Step(logits, difference.square().mean())

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Save the ensemble, for a resumed run."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["ensemble"] = self.ensemble.saved()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the ensemble of the interrupted run."""
        super().on_load_checkpoint(checkpoint)
        self.ensemble.restore(checkpoint["ensemble"])

    def _update_ensemble(self, rows: Tensor, scores: Tensor) -> None:
        """Update the ensemble with the predictions of all ranks, because clips change ranks."""
        if self.trainer.world_size > 1:
            rows, scores = self.all_gather((rows, scores))  # (ranks, B), (ranks, B, C)
            rows, scores = rows.flatten(), scores.flatten(0, 1)
        self.ensemble.update(rows, scores)
