"""Macro AUROC and the influence of each clip on it.

DeLong, DeLong and Clarke-Pearson (1988), Biometrics 44: the area under a ROC curve is the mean of
the placement values of its positives, and of its negatives, and its variance follows from their
spread. We extend this to the macro mean over classes with missing labels: the influence of a clip
is the sum of its influences on all classes, so that a clip labelled for several classes counts as
one draw.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class MacroAuroc:
    """The area under the ROC curve, and the influence of each clip on it.

    Attributes:
        per_class: AUROC of each class, (C), NaN unless both values were observed, as in
            `musicssl.evaluation.metrics`.
        influence: Contribution of each clip to the deviation of the macro mean, (N,). The sum of
            squares is the variance of the macro mean over draws of clips, for one class DeLong's.
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
    """Return the AUROC of the observed clips of each class; ties count half.

    For a class with a single observed positive, the variance due to the positives cannot be
    estimated and is left out (the same for a single negative).

    Args:
        scores: Scores, (N, C), of any scale.
        present: Whether the class is present, (N, C); arbitrary where `mask` is False.
        mask: True where presence was observed, (N, C). At least one class has both values.
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
        The fraction of negatives below each positive, (P,), and of positives above each negative,
        (Q,); ties count half.
    """
    return _share_below(positives, negatives), 1 - _share_below(negatives, positives)


def _share_below(scores: NDArray[np.floating], others: NDArray[np.floating]) -> Floats:
    ascending = np.sort(others)
    below, up_to = (np.searchsorted(ascending, scores, side) for side in ("left", "right"))
    share: Floats = (below + up_to) / (2 * len(others))
    return share


def _deviations(values: Floats) -> Floats:
    """Scale deviations so that their squares sum to DeLong's S / count (S divides by count - 1)."""
    count = len(values)
    if count == 1:
        return np.zeros(1)
    scaled: Floats = (values - values.mean()) / np.sqrt(count * (count - 1))
    return scaled
