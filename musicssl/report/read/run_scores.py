"""How good the scores of a run are, class by class, by what its kind of targets is compared on."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from musicssl.evaluation.regression import regression_metrics
from musicssl.evaluation.statistics.delong import macro_auroc
from musicssl.report.read.test_set import Truth


@dataclass(frozen=True, eq=False)
class Judgement:
    """A run on its test clips.

    Attributes:
        metric: Its name in metrics.json: that by which classes are shown.
        by_class: (C), NaN where undefined.
        influence: Of each clip on the macro mean, (N,), see
            `musicssl.evaluation.statistics.delong`; None where that is not known, and nothing is
            tested.
    """

    metric: str
    by_class: NDArray[np.float64]
    influence: NDArray[np.float64] | None

    @property
    def macro(self) -> float:
        """The mean over the classes for which it is defined."""
        return float(np.nanmean(self.by_class))


def judge(scores: NDArray[np.floating], truth: Truth) -> Judgement:
    """Judge scores, (N, C), by the AUROC of classes, or by the R² of a regression."""
    if truth.task == "regression":
        tensors = map(torch.from_numpy, (scores, truth.targets, truth.mask))
        r2 = regression_metrics(*tensors).per_class["r2"].numpy()
        return Judgement("r2", r2, None)
    result = macro_auroc(scores, truth.present, truth.mask)
    return Judgement("auroc", result.per_class, result.influence)
