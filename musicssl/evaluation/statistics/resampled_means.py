"""The macro mean of many resamples at once."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def mean_over_classes(values: Floats) -> Floats:
    """Average over the classes that are defined in a resample, (..., C, B) -> (..., B).

    The mean is NaN if no class is defined, as in `musicssl.evaluation.metrics.macro`.
    """
    defined = ~np.isnan(values)
    total = values.sum(axis=-2, where=defined)
    with np.errstate(invalid="ignore"):  # 0 / 0
        mean: Floats = total / defined.sum(axis=-2)
    return mean
