"""R² and root mean squared error of many resamples of the same clips at once.

The definitions are those of `musicssl.evaluation.regression`.
"""

import numpy as np
from numpy.typing import NDArray

from musicssl.evaluation.statistics.resampled_means import Floats, mean_over_classes


def regression_metrics(
    predictions: NDArray[np.floating],
    targets: NDArray[np.floating],
    mask: NDArray[np.bool_],
    counts: Floats,
) -> dict[str, Floats]:
    """Measure predictions in each resample.

    Args:
        predictions: K sets of predictions, (K, N, C).
        targets: Targets, (N, C); arbitrary where `mask` is False.
        mask: True where the target was observed, (N, C).
        counts: Count of each clip in each resample, (N, B).

    Returns:
        `r2` and `rmse`, each (K, B): means over the targets for which they are defined in the
        resample.
    """
    num_observed = mask.sum(axis=0)
    y = np.where(mask, targets, 0).astype(np.float64)
    centred = np.where(mask, y - y.sum(axis=0) / np.maximum(num_observed, 1), 0)
    squares = np.where(mask, predictions.astype(np.float64) - y, 0) ** 2  # (K, N, C)
    count = mask.T.astype(np.float64) @ counts  # (C, B)
    residual = squares.swapaxes(1, 2) @ counts  # (K, C, B)
    with np.errstate(invalid="ignore", divide="ignore"):  # if a resample lacks a target
        variation = (centred**2).T @ counts - (centred.T @ counts) ** 2 / count
        r2 = np.where(_varies(y, mask, counts), 1 - residual / variation, np.nan)
        rmse = np.sqrt(residual / count)
    return {"r2": mean_over_classes(r2), "rmse": mean_over_classes(rmse)}


def _varies(y: Floats, mask: NDArray[np.bool_], counts: Floats) -> NDArray[np.bool_]:
    """Return whether a resample has two different values of a target, (C, B).

    The variation is not exactly 0 otherwise, because of rounding.
    """
    varies = np.zeros((y.shape[1], counts.shape[1]), dtype=np.bool_)
    for c in np.flatnonzero(mask.any(axis=0)):
        rows = np.flatnonzero(mask[:, c])
        ascending = rows[np.argsort(y[rows, c])]
        drawn, values = counts[ascending] > 0, y[ascending, c]
        least, greatest = drawn.argmax(axis=0), len(rows) - 1 - drawn[::-1].argmax(axis=0)
        varies[c] = drawn.any(axis=0) & (values[least] < values[greatest])
    return varies
