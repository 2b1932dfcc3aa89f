"""`temporal_ensembling`: consistency with earlier predictions on the same clip."""

from typing import Any

from musicssl.batch import Batch
from musicssl.methods.base.ensembling import EnsemblingMethod
from musicssl.methods.base.semi_supervised import Step
from musicssl.networks.ensemble import PredictionEnsemble


class TemporalEnsembling(EnsemblingMethod):
    """Train the network to match the average of its earlier predictions on the clip.

    Laine and Aila 2017, https://arxiv.org/abs/1610.02242, algorithm 2, on probabilities of labels
    (in a multi-class task softmax probabilities, as in the paper; in a regression values). See
    `PredictionEnsemble` for the average. A clip without an earlier prediction adds nothing to the
    consistency loss: if clips are drawn once per epoch, the loss is 0 in the first epoch, as in the
    paper. There is only one view.

    Args:
        momentum: Weight of earlier predictions in the average, in [0, 1); 0.6 in the paper.
        parts: See `EnsemblingMethod`.
    """

    def __init__(self, *, momentum: float = 0.6, **parts: Any) -> None:
        super().__init__(momentum=momentum, **parts)

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
        self.update_ensemble(batch.rows, scores.detach())
        return Step(logits, difference.square().mean())
