"""Macro AUROC and how much each clip has to do with it.

DeLong, DeLong and Clarke-Pearson (1988), Biometrics 44: the area under a ROC curve is the mean of
the placement values of its positives, and of its negatives, and their spread is its variance. We
carry it over to the macro mean over classes with missing labels: each clip gets the sum of what it
contributes to each class, so that clips which count for several classes count as one draw.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class MacroAuroc:
    """The area under the ROC curve, and its dependence on the clips.

    Attributes:
        per_class: (C), NaN unless both values were observed, as in `musicssl.evaluation.metrics`.
        influence: Deviation that each clip brings to the macro mean, (N,). The sum of its squares
            is the variance of the macro mean over draws of clips, for one class that of DeLong.
    """

    per_class: Floats
    influence: Floats

    @property
    def macro(self) -> float:
        """The mean over the classes for which it is defined."""
        return float(np.nanmean(self.per_class))


def macro_auroc(
    scores: NDArray[np.floating], present: NDArray[np.bool_], mask: NDArray[np.bool_]
) -> MacroAuroc:
    """Rank the observed clips of each class; ties count half.

    A class with a single observed positive does not show how positives differ; what that adds to
    the variance is not known and is left out (the same for a single negative).

    Args:
        scores: (N, C), of any scale.
        present: Whether the class is present, (N, C); arbitrary where `mask` is False.
        mask: True where that was observed, (N, C). At least one class has both values.
    """
    num_clips, num_classes = scores.shape
    per_class = np.full(num_classes, np.nan)
    influence = np.zeros(num_clips)
    for c in range(num_classes):
        positives = np.flatnonzero(mask[:, c] & present[:, c])
        negatives = np.flatnonzero(mask[:, c] & ~present[:, c])
        if len(positives) and len(negatives):
            of_positives, of_negatives = placements(scores[positives, c], scores[negatives, c])
            per_class[c] = of_positives.mean()
            influence[positives] += _deviations(of_positives)
            influence[negatives] += _deviations(of_negatives)
    return MacroAuroc(per_class, influence / np.count_nonzero(~np.isnan(per_class)))


def placements(
    positives: NDArray[np.floating], negatives: NDArray[np.floating]
) -> tuple[Floats, Floats]:
    """Return DeLong's V10 and V01.

    Args:
        positives: Scores, (P,).
        negatives: Scores, (Q,).

    Returns:
        The share of negatives below each positive, (P,), and of positives above each negative,
        (Q,); ties count half.
    """
    return _share_below(positives, negatives), 1 - _share_below(negatives, positives)


def _share_below(scores: NDArray[np.floating], others: NDArray[np.floating]) -> Floats:
    ascending = np.sort(others)
    below, up_to = (np.searchsorted(ascending, scores, side) for side in ("left", "right"))
    share: Floats = (below + up_to) / (2 * len(others))
    return share


def _deviations(placed: Floats) -> Floats:
    """Scale deviations so that their squares sum to DeLong's S / count, count - 1 within S."""
    count = len(placed)
    if count == 1:
        return np.zeros(1)
    scaled: Floats = (placed - placed.mean()) / np.sqrt(count * (count - 1))
    return scaled
