"""Monotonicity and smoothness of attributes along steps through a latent space.

Both look at the attributes of what is decoded at equally spaced points along a dimension: at their
slopes D1, differences over the step, and at the slopes of these, D2. Formulas are those of
latte-metrics' "latent-induced attribute difference" (Watcharasupat et al. 2021,
https://arxiv.org/abs/2112.10638).
"""

import numpy as np

from musicssl.errors import InputError
from musicssl.evaluation.latents.estimators import Floats

_LEAST_SLOPE = 1e-3


def monotonicity(values: Floats, step: float, least_slope: float = _LEAST_SLOPE) -> Floats:
    """Return whether attributes rise all the way, 1, fall all the way, -1, or both, between.

    The sum of the signs of D1 over those with |D1| above `least_slope`, divided by their number.

    Args:
        values: Attributes at S >= 2 equally spaced points, (..., S).
        step: Between two points.
        least_slope: Slopes up to it count as none; 1e-3 in latte-metrics.

    Returns:
        (...); NaN where an attribute does not change.

    Raises:
        InputError: If there are too few points, or the step is not above 0.
    """
    slopes = _slopes(values, step, 2)
    counted = np.abs(slopes) > least_slope
    count = counted.sum(axis=-1)
    signs = np.where(counted, np.sign(slopes), 0).sum(axis=-1)
    share: Floats = signs / np.where(count > 0, count, np.nan)
    return share


def smoothness(values: Floats, step: float, clip: bool = False) -> Floats:
    """Return how evenly attributes change: 1 for a straight line, about 0 for a single jump.

    1 - L / (range of D1 / step), where L is the Lehmer mean sum |D2|^2 / sum |D2|. It is 1 if all
    D2 are 0, also of an attribute that does not change. D2 counts as 0 if it is no more than the
    rounding of values: latte-metrics compares with 0 exactly, and gives straight lines any value.

    Args:
        values: Attributes at S >= 3 equally spaced points, (..., S).
        step: Between two points.
        clip: Whether to clip the result to [0, 1]; it may be below 0 otherwise.

    Returns:
        (...).

    Raises:
        InputError: If there are too few points, or the step is not above 0.
    """
    slopes = _slopes(values, step, 3)
    bends = np.abs(np.diff(slopes, axis=-1)) / step
    kind = values.dtype if np.issubdtype(values.dtype, np.floating) else np.float64
    rounding = 8 * np.finfo(kind).eps * np.abs(values).max(axis=-1, keepdims=True) / step**2
    bends = np.where(bends <= rounding, 0, bends)
    straight = ~bends.any(axis=-1)
    total = np.where(straight, 1, bends.sum(axis=-1))
    extent = np.where(straight, 1, np.ptp(slopes, axis=-1) / step)
    smooth = np.where(straight, 1, 1 - (bends**2).sum(axis=-1) / total / extent)
    return np.clip(smooth, 0, 1) if clip else smooth


def _slopes(values: Floats, step: float, fewest: int) -> Floats:
    if not step > 0:
        raise InputError(f"the step between two points is above 0, not {step:g}.")
    if values.shape[-1] < fewest:
        raise InputError(f"this needs {fewest} points along a dimension, not {values.shape[-1]}.")
    slopes: Floats = np.diff(values.astype(np.float64), axis=-1) / step
    return slopes
