"""Ridge regressions with many strengths of penalty, in closed form."""

import torch
from torch import Tensor


def ridge_regressions(
    z: Tensor, y: Tensor, mask: Tensor, strengths: Tensor
) -> tuple[Tensor, Tensor]:
    """Fit each target by itself to the clips in which it was observed.

    Minimised is 0.5 ||w||^2 + strength * (sum of squared errors), the bias without penalty: the
    strength is 1 / (2 alpha) of scikit-learn's Ridge. A target that was never observed has weights
    and bias 0. One eigendecomposition for each target serves all R strengths.

    Args:
        z: Standardised features, (N, D).
        y: Targets, (N, C); may hold anything, NaN included, where not observed.
        mask: True where observed, (N, C).
        strengths: (R,).

    Returns:
        Weights, (R, C, D), and biases, (R, C).
    """
    weights = z.new_zeros(len(strengths), y.shape[1], z.shape[1])
    biases = z.new_zeros(len(strengths), y.shape[1])
    for c in torch.nonzero(mask.any(0)).flatten().tolist():
        features, values = z[mask[:, c]], y[mask[:, c], c]  # (n, D), (n,)
        mean, level = features.mean(0), values.mean()
        features = features - mean
        variations, axes = torch.linalg.eigh(features.T @ features)
        along = axes.T @ (features.T @ (values - level))  # (D,)
        shrunk = along / (variations.clamp_min(0) + 0.5 / strengths[:, None])  # (R, D)
        weights[:, c] = shrunk @ axes.T
        biases[:, c] = level - weights[:, c] @ mean
    return weights, biases
