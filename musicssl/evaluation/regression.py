"""Metrics of regressions, over the observed cells of all clips at once.

A metric that is undefined for the targets is NaN, never 0, and `macro` leaves it out.
"""

import torch
from torch import Tensor

from musicssl.errors import InputError
from musicssl.evaluation.metrics import Metrics, macro


def regression_metrics(predictions: Tensor, targets: Tensor, mask: Tensor) -> Metrics:
    """Evaluate the predictions of each target on its observed cells.

    Args:
        predictions: (N, C).
        targets: (N, C); arbitrary where `mask` is False.
        mask: True where the target was observed, (N, C) bool.

    Returns:
        Per target: `r2`, the share of its variance that is explained, 1 - sum (y - p)^2 /
        sum (y - mean y)^2 with the mean of the same targets: at most 1, below 0 if the mean is a
        better prediction, NaN for a constant target (0 or 1 in scikit-learn). `rmse`, the root of
        the mean squared error, in the unit of the target. `pearson`, the correlation, NaN if
        targets or predictions are constant. `observed`, the number of cells. Overall: their means.

    Raises:
        InputError: If a prediction of an observed cell is not finite.
    """
    mask = mask.cpu()
    predictions, targets = predictions.detach().cpu().double(), targets.detach().cpu().double()
    _check_finite(predictions[mask])
    predictions, targets = predictions.where(mask, 0), targets.where(mask, 0)
    count = mask.sum(0)
    errors = (predictions - targets).square().sum(0)
    of_targets, of_predictions = _deviations(targets, mask), _deviations(predictions, mask)
    variation, spread = of_targets.square().sum(0), of_predictions.square().sum(0)
    varies, both_vary = _varies(targets, mask), _varies(targets, mask) & _varies(predictions, mask)
    correlation = (of_targets * of_predictions).sum(0) / (variation * spread).sqrt()
    per_class = {
        "r2": (1 - errors / variation).where(varies, torch.nan),
        "rmse": (errors / count).sqrt(),  # 0 / 0 is NaN
        "pearson": correlation.where(both_vary, torch.nan),
        "observed": count.double(),
    }
    return Metrics(per_class, macro(per_class))


def _deviations(values: Tensor, mask: Tensor) -> Tensor:
    """Subtract the mean of the observed cells of each column; 0 elsewhere, (N, C)."""
    return (values - values.sum(0) / mask.sum(0)).where(mask, 0)


def _varies(values: Tensor, mask: Tensor) -> Tensor:
    """Return which columns have two different observed values, (C,) bool."""
    first = values[mask.int().argmax(0), torch.arange(values.shape[1])] if len(values) else values
    return ((values != first) & mask).any(0)


def _check_finite(observed: Tensor) -> None:
    bad = observed[~observed.isfinite()]
    if len(bad):
        raise InputError(
            f"a prediction is {bad[0].item():g}, which is not a finite number, because training "
            "diverged; lower the learning rate."
        )
