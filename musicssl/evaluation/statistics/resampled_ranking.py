"""AUROC and average precision of many resamples of the same clips at once.

A resample is a number of times that each clip is in it. The scores of a class are sorted once;
what each resample has above a threshold is then a cumulative sum of its numbers. Definitions are
those of `musicssl.evaluation.metrics`.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array

from musicssl.evaluation.statistics.resampled_means import Floats, mean_over_classes


def ranking(
    scores: NDArray[np.floating],
    present: NDArray[np.bool_],
    mask: NDArray[np.bool_],
    counts: Floats,
) -> dict[str, Floats]:
    """Judge the order of scores in each resample.

    Args:
        scores: K sets of them, (K, N, C).
        present: Whether the class is present, (N, C); arbitrary where `mask` is False.
        mask: True where that was observed, (N, C).
        counts: How often each clip is in each resample, (N, B).

    Returns:
        Macro `auroc`, ties counting half, and `average_precision`, each (K, B): means over the
        classes for which the resample defines them.
    """
    num_sets, _, num_classes = scores.shape
    areas = np.full((num_sets, num_classes, counts.shape[1]), np.nan)
    precisions = areas.copy()
    for c in range(num_classes):
        positives = np.flatnonzero(mask[:, c] & present[:, c])
        negatives = np.flatnonzero(mask[:, c] & ~present[:, c])
        if len(positives):
            for k in range(num_sets):
                areas[k, c], precisions[k, c] = _of_class(
                    scores[k, :, c], positives, negatives, counts
                )
    return {
        "auroc": mean_over_classes(areas),
        "average_precision": mean_over_classes(precisions),
    }


def _of_class(
    scores: NDArray[np.floating],
    positives: NDArray[np.int64],
    negatives: NDArray[np.int64],
    counts: Floats,
) -> tuple[Floats, Floats]:
    """Return AUROC and average precision, each (B,), of some positives and negatives, rows of N.

    The thresholds are the S distinct scores of positives, the greatest first: between them nothing
    is gained.
    """
    thresholds, place = np.unique(-scores[positives], return_inverse=True)
    reached = np.searchsorted(thresholds, -scores[negatives])  # first one at or below; S if none
    tied = np.append(thresholds, np.inf)[reached] == -scores[negatives]
    num = len(thresholds)
    hits = _sums(num, place, positives, counts)  # (S, B), at each threshold
    false = _cumulative(_sums(num + 1, reached, negatives, counts))  # (S + 1, B), down to each
    ties = _sums(num, reached[tied], negatives[tied], counts)  # (S, B), at each
    found = _cumulative(hits)
    before = false[:-1] - ties / 2  # how many negatives are placed before a positive
    with np.errstate(invalid="ignore"):  # 0 / 0 where the resample lacks one of the values
        area = 1 - np.einsum("sb,sb->b", hits, before) / (found[-1] * false[-1])
        precision = found / np.maximum(found + false[:-1], 1)
        average = np.einsum("sb,sb->b", hits, precision) / found[-1]
    return area, average


def _sums(
    num_places: int, places: NDArray[np.int64], rows: NDArray[np.int64], counts: Floats
) -> Floats:
    """Add up the counts of rows by their places, (S, B)."""
    shape = (num_places, len(counts))
    places_of_rows = csr_array((np.ones(len(rows)), (places, rows)), shape)
    sums: Floats = np.asarray(places_of_rows @ counts)
    return sums


def _cumulative(sums: Floats) -> Floats:
    """Add up along the first axis; NumPy's cumsum takes three times as long there."""
    return torch.from_numpy(sums).cumsum(0).numpy()
