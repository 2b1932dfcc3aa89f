"""Logistic and softmax regressions with many strengths of penalty, solved together.

The objective is 0.5 ||w||^2 + strength * (sum of losses over the clips), without a penalty on the
bias: the strength is the C of scikit-learn. R strengths, N clips, D features, C classes. Arguments
and results are float64; most iterations are in float32.

A problem is solved when its gradient, with each parameter scaled by the root of its curvature, is
`tolerance` times the gradient at the start, where all weights are 0. On 2,000 clips x 128 of
embeddings like those of `benchmarks/probe.py`, a tolerance of 1e-4 gave probabilities within 4e-4
of the minimum at strengths up to 100 (scikit-learn's default: 4e-3), and 1e-8 within 3e-8. If there
are fewer clips than features and almost no penalty, probabilities are less exact: at 100 clips and
strength 100 within 0.14, or within 4e-6 (scikit-learn's default: 0.7).
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from musicssl.probing.solvers.newton import Fit, Problem, length, minimise
from musicssl.probing.solvers.ridge import principal_axes

TOLERANCE = 1e-4
_FLOAT32 = 3e-5  # tolerance that float32 can reach
_LEAST = 0.01  # change of all logits to which the tolerance is relative if the start is closer
_AT_ONCE = 4_000_000  # logits in memory at a time


def logistic_regressions(
    z: Tensor, y: Tensor, mask: Tensor, strengths: Tensor, tolerance: float = TOLERANCE
) -> tuple[Tensor, Tensor]:
    """Fit each class separately to the clips in which it was observed.

    A class whose observed targets are all 0 or all 1, or that was never observed, cannot be fitted:
    its weights are 0 and its bias is the log-odds of (positives + 0.5) / (clips + 1).

    Args:
        z: Standardised features, (N, D).
        y: Targets in [0, 1], (N, C); arbitrary where not observed, even NaN.
        mask: True where observed, (N, C).
        strengths: Strengths, (R,).
        tolerance: Tolerance of the fit; see the module.

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
        classes = torch.arange(len(share), device=z.device).repeat(len(strengths))  # (R * C',)
        fit = _Binary(y[:, differ].T.contiguous(), mask[:, differ].T.to(y), classes)
        curvature = (count[differ] * share * (1 - share))[classes, None]
        repeated = strengths.repeat_interleave(len(share))
        solved = _solve(z, fit, repeated, curvature, share.logit()[classes, None], tolerance)
        parameters[:, differ] = solved.view(len(strengths), len(share), -1)
    return parameters[..., :-1], parameters[..., -1]


def softmax_regression(
    z: Tensor, y: Tensor, strengths: Tensor, tolerance: float = TOLERANCE
) -> tuple[Tensor, Tensor]:
    """Fit all classes together.

    A class without clips cannot be fitted: its weights are 0, and with its bias its odds against
    all other classes are those of 0.5 / (clips + 1), in the mean over the clips.

    Args:
        z: Standardised features, (N, D).
        y: Distributions over classes, such as one-hot, (N, C).
        strengths: Strengths, (R,).
        tolerance: Tolerance of the fit; see the module.

    Returns:
        Weights, (R, C, D), and biases, (R, C).
    """
    clips, share = len(y), y.mean(0)
    present = share > 0
    parameters = z.new_zeros(len(strengths), y.shape[1], z.shape[1] + 1)
    if present.sum() > 1:
        fit = _OneOfAll(y[:, present].T.contiguous())
        share = share[present].expand(len(strengths), -1)
        curvature = clips * share * (1 - share)
        parameters[:, present] = _solve(z, fit, strengths, curvature, share.log(), tolerance)
    weights, biases = parameters[..., :-1], parameters[..., -1]
    logits = z @ weights[:, present].mT + biases[:, None, present]  # (R, N, C')
    odds = torch.tensor(0.5 / (clips + 1), dtype=z.dtype).logit()
    biases[:, ~present] = logits.logsumexp(2).mean(1, keepdim=True) + odds
    return weights, biases


def _solve(
    z: Tensor, fit: Fit, strengths: Tensor, curvature: Tensor, bias: Tensor, tolerance: float
) -> Tensor:
    """Minimise, starting at weights of 0 and biases, (P, G), where the curvature is (P, G).

    The features are rotated to their principal axes, in which the curvature is almost diagonal.
    """
    turned, axes = principal_axes(z)  # (N, K), (D, K)
    features = torch.cat([turned, torch.ones_like(z[:, :1])], dim=1)
    per_unit = strengths[:, None, None] * curvature[..., None]  # (P, G, 1)
    variances = turned.square().mean(0)
    scale = torch.cat([(1 + per_unit * variances).rsqrt(), per_unit.rsqrt()], dim=2)
    start = torch.zeros_like(scale)
    start[..., -1] = bias
    least = _LEAST * (per_unit.sum((1, 2))).sqrt()
    solution = _minimised(Problem(features, strengths, fit, scale), start, least, tolerance)
    return torch.cat([solution[..., :-1] @ axes.mT, solution[..., -1:]], dim=2)


def _minimised(problem: Problem, start: Tensor, least: Tensor, tolerance: float) -> Tensor:
    """Solve in float32 and then in float64, in chunks of problems that limit the memory."""
    rough, solution = problem.to(torch.float32), torch.empty_like(start)
    size = max(1, _AT_ONCE // (start.shape[1] * len(problem.features)))
    for rows in torch.split(torch.arange(len(start), device=start.device), size):
        part, begin = rough.only(rows), start[rows].float()
        first = length(part.gradient(begin, part.logits(begin))).maximum(least[rows].float())
        reached = minimise(part, begin, max(tolerance, _FLOAT32) * first)
        solution[rows] = minimise(problem.only(rows), reached.double(), tolerance * first.double())
    return solution


@dataclass(frozen=True)
class _Binary:
    """Cross-entropy of a sigmoid: targets and mask, (C, N), and the class of each problem, (P,)."""

    y: Tensor
    mask: Tensor
    classes: Tensor

    def only(self, problems: Tensor) -> "_Binary":
        return replace(self, classes=self.classes[problems])

    def to(self, dtype: torch.dtype) -> "_Binary":
        return replace(self, y=self.y.to(dtype), mask=self.mask.to(dtype))

    def slope(self, logits: Tensor) -> Tensor:
        y, mask = self.y[self.classes, None], self.mask[self.classes, None]
        return logits.sigmoid().sub_(y).mul_(mask)

    def weights(self, logits: Tensor) -> Tensor:
        p = logits.sigmoid()
        return (1 - p).mul_(p).mul_(self.mask[self.classes, None])

    def curved(self, weights: Tensor, moved: Tensor) -> Tensor:
        return weights * moved


@dataclass(frozen=True)
class _OneOfAll:
    """Cross-entropy of a softmax with targets, (G, N), which are the same for all problems."""

    y: Tensor

    def only(self, problems: Tensor) -> "_OneOfAll":
        return self

    def to(self, dtype: torch.dtype) -> "_OneOfAll":
        return _OneOfAll(self.y.to(dtype))

    def slope(self, logits: Tensor) -> Tensor:
        return logits.softmax(1).sub_(self.y)

    def weights(self, logits: Tensor) -> Tensor:
        return logits.softmax(1)

    def curved(self, weights: Tensor, moved: Tensor) -> Tensor:
        weighed = weights * moved
        return weighed.addcmul_(weights, weighed.sum(1, keepdim=True), value=-1)
