"""Logistic and softmax regressions with many strengths of penalty, solved together.

Minimised is 0.5 ||w||^2 + strength * (sum of losses over the clips), the bias without penalty: the
strength is the C of scikit-learn. R strengths, N clips, D features, C classes; all in float64.
"""

import torch
from torch import Tensor
from torch.nn.functional import softplus

from musicssl.probing.newton import Fit, Problem, minimise


def logistic_regressions(
    z: Tensor, y: Tensor, mask: Tensor, strengths: Tensor
) -> tuple[Tensor, Tensor]:
    """Fit each class by itself to the clips in which it was observed.

    A class whose observed targets are all 0 or all 1, or that has none, cannot be fitted: its
    weights are 0 and its bias is the log-odds of (positives + 0.5) / (clips + 1).

    Args:
        z: Standardised features, (N, D).
        y: Targets in [0, 1], (N, C); may hold anything, NaN included, where not observed.
        mask: True where observed, (N, C).
        strengths: (R,).

    Returns:
        Weights, (R, C, D), and biases, (R, C).
    """
    y, count = y.where(mask, 0), mask.sum(0)
    positives = y.sum(0)
    differ = (positives > 0) & (positives < count)
    parameters = z.new_zeros(len(strengths), y.shape[1], z.shape[1] + 1)
    parameters[..., -1] = ((positives + 0.5) / (count + 1)).logit()
    if differ.any():
        share = positives[differ] / count[differ]
        fit = _Binary(y[:, differ].T, mask[:, differ].T)
        curvature = count[differ] * share * (1 - share)
        parameters[:, differ] = _solve(z, fit, strengths, curvature, share.logit())
    return parameters[..., :-1], parameters[..., -1]


def softmax_regression(z: Tensor, y: Tensor, strengths: Tensor) -> tuple[Tensor, Tensor]:
    """Fit all classes together.

    A class without a clip cannot be fitted: its weights are 0, and its bias is such that its odds
    against all others are those of 0.5 / (clips + 1), on the mean over the clips.

    Args:
        z: Standardised features, (N, D).
        y: Distributions over classes, such as one-hot, (N, C).
        strengths: (R,).

    Returns:
        Weights, (R, C, D), and biases, (R, C).
    """
    clips, share = len(y), y.mean(0)
    seen = share > 0
    parameters = z.new_zeros(len(strengths), y.shape[1], z.shape[1] + 1)
    if seen.sum() > 1:
        fit, share = _OneOfAll(y[:, seen].T), share[seen]
        curvature = clips * share * (1 - share)
        parameters[:, seen] = _solve(z, fit, strengths, curvature, share.log())
    weights, biases = parameters[..., :-1], parameters[..., -1]
    others = z @ weights[:, seen].mT + biases[:, None, seen]  # (R, N, C')
    odds = torch.tensor(0.5 / (clips + 1), dtype=z.dtype).logit()
    biases[:, ~seen] = others.logsumexp(2).mean(1, keepdim=True) + odds
    return weights, biases


def _solve(z: Tensor, fit: Fit, strengths: Tensor, curvature: Tensor, bias: Tensor) -> Tensor:
    """Minimise from weights of 0 and a bias, (C,), at which the loss has a curvature, (C,).

    The features are turned to their principal axes, where the curvature is almost diagonal.
    """
    variances, axes = torch.linalg.eigh(z.T @ z / len(z))
    features = torch.cat([z @ axes, torch.ones_like(z[:, :1])], dim=1)  # (N, D + 1)
    per_unit = strengths[:, None, None] * curvature[:, None]  # (R, C, 1)
    scale = torch.cat([(1 + per_unit * variances.clamp_min(0)).rsqrt(), per_unit.rsqrt()], dim=2)
    start = torch.zeros_like(scale)
    start[..., -1] = bias
    found = minimise(Problem(features, strengths, fit, scale), start)
    return torch.cat([found[..., :-1] @ axes.T, found[..., -1:]], dim=2)


class _Binary:
    """Cross-entropy of a sigmoid with targets and mask, each (C, N), for each class by itself."""

    dims = (2,)

    def __init__(self, y: Tensor, mask: Tensor) -> None:
        self.y, self.mask = y, mask

    def loss(self, logits: Tensor) -> Tensor:
        return ((softplus(logits) - self.y * logits) * self.mask).sum(2, keepdim=True)

    def probabilities(self, logits: Tensor) -> Tensor:
        return logits.sigmoid()

    def gradient(self, p: Tensor) -> Tensor:
        return (p - self.y) * self.mask

    def curvature(self, p: Tensor, direction: Tensor) -> Tensor:
        return p * (1 - p) * self.mask * direction


class _OneOfAll:
    """Cross-entropy of a softmax over the classes with targets, (C, N)."""

    dims = (1, 2)

    def __init__(self, y: Tensor) -> None:
        self.y = y

    def loss(self, logits: Tensor) -> Tensor:
        return -(self.y * logits.log_softmax(1)).sum((1, 2), keepdim=True)

    def probabilities(self, logits: Tensor) -> Tensor:
        return logits.softmax(1)

    def gradient(self, p: Tensor) -> Tensor:
        return p - self.y

    def curvature(self, p: Tensor, direction: Tensor) -> Tensor:
        weighed = p * direction
        return weighed - p * weighed.sum(1, keepdim=True)
