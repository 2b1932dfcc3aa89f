"""`temporal_ensembling`: consistency with earlier predictions on the same clip."""

from typing import Any

from torch import Tensor

from musicssl.batch import Batch
from musicssl.errors import InputError
from musicssl.methods.base.semi_supervised import SemiSupervisedMethod, Step
from musicssl.networks.ensemble import PredictionEnsemble


class TemporalEnsembling(SemiSupervisedMethod):
    """Train the network to match the average of its earlier predictions on the clip.

    Laine and Aila 2017, https://arxiv.org/abs/1610.02242, algorithm 2, on probabilities of labels
    (of a softmax where a clip has one class, as there; in a regression on values); see
    `PredictionEnsemble` for the average. A clip without an earlier answer adds nothing to the
    consistency: where clips are drawn once an epoch, its weight is 0 in the first one, as in the
    paper. There is one view only.

    Args:
        momentum: Weight of the past in the average, in [0, 1); the paper has 0.6.
        parts: See `SemiSupervisedMethod`.

    Raises:
        InputError: If `momentum` is out of range.
    """

    ensemble: PredictionEnsemble

    def __init__(self, *, momentum: float = 0.6, **parts: Any) -> None:
        super().__init__(**parts)
        if not 0 <= momentum < 1:
            raise InputError(f"method.momentum must be in [0, 1), got {momentum:g}.")
        self.momentum = momentum

    def setup(self, stage: str) -> None:
        """Allocate the ensemble, one prediction for each clip."""
        super().setup(stage)
        if stage == "fit":
            num_clips, num_classes = self.data.corpus.y.shape
            last = int(self.data.training_rows()[-1])  # of the unlabelled corpus, if there is one
            num_clips = max(num_clips, last + 1)
            self.ensemble = PredictionEnsemble(num_clips, num_classes, self.momentum)

    def step(self, batch: Batch) -> Step:
        """Compare the prediction on one view with the ensemble, and add it to that."""
        assert batch.rows is not None
        logits = self.answers(self.classifier, batch.augmented(self.views.student))
        scores = self.task.scores(logits)
        targets, known = self.ensemble.targets(batch.rows)
        difference = (scores - targets) * known[:, None]
        self._remember(batch.rows, scores.detach())
        return Step(logits, difference.square().mean())

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the ensemble, for a resumed run."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["ensemble"] = self.ensemble.saved()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take up the ensemble of the interrupted run."""
        self.ensemble.restore(checkpoint["ensemble"])

    def _remember(self, rows: Tensor, scores: Tensor) -> None:
        """Update the ensemble with the predictions of all ranks, since clips change ranks."""
        if self.trainer.world_size > 1:
            rows, scores = self.all_gather((rows, scores))  # (ranks, B), (ranks, B, C)
            rows, scores = rows.flatten(), scores.flatten(0, 1)
        self.ensemble.update(rows, scores)
