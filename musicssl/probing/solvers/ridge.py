"""Ridge regressions with many strengths of penalty, in closed form."""

import torch
from torch import Tensor

from musicssl.probing.solvers.axes import principal_axes


def ridge_regressions(
    z: Tensor, y: Tensor, mask: Tensor, strengths: Tensor
) -> tuple[Tensor, Tensor]:
    """Fit each target by itself to the clips in which it was observed.

    Minimised is 0.5 ||w||^2 + strength * (sum of squared errors), the bias without penalty: the
    strength is 1 / (2 alpha) of scikit-learn's Ridge. A target that was never observed has weights
    and bias 0. One decomposition serves all R strengths, and all targets that were observed in the
    same clips.

    Args:
        z: Standardised features, (N, D).
        y: Targets, (N, C); arbitrary where not observed, even NaN.
        mask: True where observed, (N, C).
        strengths: (R,).

    Returns:
        Weights, (R, C, D), and biases, (R, C).
    """
    weights = z.new_zeros(len(strengths), y.shape[1], z.shape[1])
    biases = z.new_zeros(len(strengths), y.shape[1])
    patterns, pattern_of = torch.unique(mask, dim=1, return_inverse=True)  # (N, P), (C,)
    for number, seen in enumerate(patterns.T):
        if seen.any():
            columns = pattern_of == number
            fitted = _fit(z[seen], y[seen][:, columns], strengths)
            weights[:, columns], biases[:, columns] = fitted
    return weights, biases


def _fit(features: Tensor, values: Tensor, strengths: Tensor) -> tuple[Tensor, Tensor]:
    """Fit to features, (n, D), and values that were all observed, (n, C)."""
    mean, level = features.mean(0), values.mean(0)
    turned, axes = principal_axes(features - mean)  # (n, K), (D, K)
    along = (values - level).T @ turned  # (C, K)
    shrunk = along / (turned.square().sum(0) + 0.5 / strengths[:, None, None])  # (R, C, K)
    weights = shrunk @ axes.mT
    return weights, level - weights @ mean
