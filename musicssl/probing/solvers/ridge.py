"""Ridge regressions with many strengths of penalty in closed form, and principal axes."""

import torch
from torch import Tensor


def ridge_regressions(
    z: Tensor, y: Tensor, mask: Tensor, strengths: Tensor
) -> tuple[Tensor, Tensor]:
    """Fit each target separately to the clips in which it was observed.

    The objective is 0.5 ||w||^2 + strength * (sum of squared errors), without a penalty on the
    bias: the strength is 1 / (2 alpha) of scikit-learn's Ridge. A target that was never observed
    has weights and bias 0. One decomposition serves all R strengths, and all targets that were
    observed in the same clips.

    Args:
        z: Standardised features, (N, D).
        y: Targets, (N, C); arbitrary where not observed, even NaN.
        mask: True where observed, (N, C).
        strengths: Strengths, (R,).

    Returns:
        Weights, (R, C, D), and biases, (R, C).
    """
    weights = z.new_zeros(len(strengths), y.shape[1], z.shape[1])
    biases = z.new_zeros(len(strengths), y.shape[1])
    patterns, pattern_of = torch.unique(mask, dim=1, return_inverse=True)  # (N, P), (C,)
    for number, observed in enumerate(patterns.T):
        if observed.any():
            columns = pattern_of == number
            fitted = _fit(z[observed], y[observed][:, columns], strengths)
            weights[:, columns], biases[:, columns] = fitted
    return weights, biases


def _fit(features: Tensor, values: Tensor, strengths: Tensor) -> tuple[Tensor, Tensor]:
    """Fit to features, (n, D), and values, (n, C), all of which were observed."""
    mean, level = features.mean(0), values.mean(0)
    turned, axes = principal_axes(features - mean)  # (n, K), (D, K)
    along = (values - level).T @ turned  # (C, K)
    shrunk = along / (turned.square().sum(0) + 0.5 / strengths[:, None, None])  # (R, C, K)
    weights = shrunk @ axes.mT
    return weights, level - weights @ mean


def principal_axes(z: Tensor) -> tuple[Tensor, Tensor]:
    """Rotate features to orthonormal axes in which they are uncorrelated.

    With fewer clips than features there are only as many axes as clips: the weights of a penalised
    fit are in the span of the clips, and other axes would only take time.

    Args:
        z: Centred features, (N, D).

    Returns:
        `z @ axes`, (N, K), and the axes, (D, K), where K is the minimum of N and D.
    """
    if len(z) < z.shape[1]:
        clips, lengths, axes = torch.linalg.svd(z, full_matrices=False)
        return clips * lengths, axes.mT
    _, axes = torch.linalg.eigh(z.T @ z)
    return z @ axes, axes
