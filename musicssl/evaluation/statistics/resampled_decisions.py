"""F1 and accuracies of many resamples of the same clips at once.

Decisions are made once and counted for each resample. The definitions are those of
`musicssl.evaluation.metrics` and `musicssl.evaluation.multi_class`.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from musicssl.evaluation.statistics.resampled_means import Floats, mean_over_classes


class _Tally(NamedTuple):
    """Numbers of cells by class and resample: true positives, decided, actual and observed."""

    hits: Floats  # (K, C, B)
    decided: Floats  # (K, C, B)
    actual: Floats  # (C, B)
    observed: Floats  # (C, B)


def label_decisions(
    decided: NDArray[np.bool_], present: NDArray[np.bool_], mask: NDArray[np.bool_], counts: Floats
) -> dict[str, Floats]:
    """Measure decisions about each class separately, in each resample.

    Args:
        decided: K sets of decisions, (K, N, C).
        present: Whether the class is present, (N, C); arbitrary where `mask` is False.
        mask: True where presence was observed, (N, C).
        counts: Count of each clip in each resample, (N, B).

    Returns:
        Macro `f1` and `f1_both`, each (K, B); see `musicssl.evaluation.metrics.per_class_metrics`.
    """
    tally = _tally(decided, present, mask, counts)
    f1 = _f1(tally)
    wrongly_absent = tally.actual - tally.hits
    absent = _Tally(
        hits=tally.observed - tally.decided - wrongly_absent,
        decided=tally.observed - tally.decided,
        actual=tally.observed - tally.actual,
        observed=tally.observed,
    )
    f1_both = (f1 + _f1(absent)) / 2
    return {"f1": mean_over_classes(f1), "f1_both": mean_over_classes(f1_both)}


def class_decisions(
    scores: NDArray[np.floating],
    truth: NDArray[np.bool_],
    labelled: NDArray[np.bool_],
    credit: NDArray[np.floating] | None,
    counts: Floats,
) -> dict[str, Floats]:
    """Measure decisions for one class for each clip, in each resample.

    Args:
        scores: K sets of scores, (K, N, C).
        truth: One-hot targets, (N, C).
        labelled: True for the clips whose class was observed, (N,).
        credit: `credit[i, j]` is the credit for the answer i if the class is j, (C, C).
        counts: Count of each clip in each resample, (N, B).

    Returns:
        `accuracy`, `balanced_accuracy`, macro `f1`, and `weighted_accuracy` if there is a credit,
        each (K, B); see `musicssl.evaluation.multi_class`.
    """
    answers = scores.argmax(axis=2)  # (K, N)
    decided = answers[:, :, None] == np.arange(scores.shape[2])
    tally = _tally(decided, truth, np.broadcast_to(labelled[:, None], truth.shape), counts)
    with np.errstate(invalid="ignore"):  # 0 / 0
        recall = tally.hits / tally.actual
        metrics = {
            "accuracy": tally.hits.sum(axis=1) / tally.observed[0],
            "balanced_accuracy": mean_over_classes(recall),
            "f1": mean_over_classes(_f1(tally)),
        }
        if credit is not None:
            earned = np.where(labelled, credit[answers, truth.argmax(axis=1)], 0)  # (K, N)
            metrics["weighted_accuracy"] = earned.astype(np.float64) @ counts / tally.observed[0]
    return metrics


def _f1(tally: _Tally) -> Floats:
    """Return the F1 of each class, (K, C, B); NaN without actual positives."""
    with np.errstate(invalid="ignore"):  # 0 / 0
        f1 = 2 * tally.hits / (tally.decided + tally.actual)
    return np.where(tally.actual > 0, f1, np.nan)


def _tally(
    decided: NDArray[np.bool_], actual: NDArray[np.bool_], mask: NDArray[np.bool_], counts: Floats
) -> _Tally:
    return _Tally(
        _sums(decided & actual & mask, counts),
        _sums(decided & mask, counts),
        _sums(actual & mask, counts),
        _sums(mask, counts),
    )


def _sums(cells: NDArray[np.bool_], counts: Floats) -> Floats:
    """Count the cells of each class, (..., N, C) -> (..., C, B); sparse, since most are False."""
    by_class = cells.swapaxes(-1, -2)
    flat = by_class.reshape(-1, by_class.shape[-1])
    sums: Floats = np.asarray(csr_array(flat, dtype=np.float64) @ counts)
    return sums.reshape(*by_class.shape[:-1], -1)
