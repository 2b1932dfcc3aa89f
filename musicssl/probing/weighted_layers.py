"""Linear probe of a weighted mean of layers, whose weights are learnt with it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from musicssl.errors import InputError
from musicssl.evaluation.tasks import Task
from musicssl.probing.base import Embeddings, FittedProbe
from musicssl.probing.linear import (
    STRENGTHS,
    LinearProbe,
    check_strengths,
    fit_linear,
    standardisation,
)
from musicssl.probing.solvers.logistic import TOLERANCE


class Mix(NamedTuple):
    """A weighted mean of layers: sum over l of `weights[l] * (h[:, l] - mean[l]) / size[l]`.

    Attributes:
        weights: Weights, (L,), at least 0, with a sum of 1.
        mean: Mean of each feature, (L, D).
        size: Root mean square of all deviations of a layer from `mean`, (L,); 1 for a constant
            layer.
    """

    weights: Tensor
    mean: Tensor
    size: Tensor

    def __call__(self, h: Tensor) -> Tensor:
        """Return the mean of layers, (N, L, D) -> (N, D)."""
        factors = (self.weights / self.size).to(h)
        mixed: Tensor = torch.tensordot(h, factors, dims=([1], [0]))
        return mixed - factors @ self.mean.to(h)


@dataclass(frozen=True)
class WeightedLayers:
    """The linear probe of a weighted mean of L layers, with softmax weights that are learnt.

    As in SUPERB (Yang et al. 2021, https://arxiv.org/abs/2105.01051, section 3), with three
    differences. Layers are centred and divided by one number each first, so that the weights of
    layers of different sizes can be compared (SUPERB's code offers a layer norm of each vector
    instead). Weights and probe are not trained by stochastic gradient descent but minimise the
    objective of `musicssl.probing.linear.fit_linear` together, by L-BFGS, from equal weights and
    their exact probe; then the probe is fitted exactly to the mean with these weights. And equal
    weights are kept if the loss on the validation clips is no lower with those that were learnt.
    With one layer this is the linear probe.

    Attributes:
        strengths: Strengths to choose from; see `fit_linear`. Weights are learnt at the one that is
            chosen with equal weights.
        tolerance: Tolerance of the exact fits; see `musicssl.probing.solvers.logistic`.
        steps: Maximum number of steps of L-BFGS.

    Raises:
        InputError: If `steps` is not at least 1, or a strength is not above 0 and finite.
    """

    strengths: Sequence[float] = STRENGTHS
    tolerance: float = TOLERANCE
    steps: int = 50

    def __post_init__(self) -> None:
        check_strengths(self.strengths)
        if self.steps < 1 or self.steps != int(self.steps):
            raise InputError(f"probe.steps must be a whole number from 1 up, got {self.steps:g}.")

    def fit(
        self, train: Embeddings, subsets: Sequence[Tensor], val: Embeddings, task: Task
    ) -> list[FittedProbe]:
        """Fit one probe to each subset; see `musicssl.probing.base.Probe`.

        Embeddings are (N, L, D), or (N, D) for one layer.
        """
        return [self._fitted(train.select(rows.to(train.h.device)), val, task) for rows in subsets]

    def _fitted(self, train: Embeddings, val: Embeddings, task: Task) -> FittedProbe:
        if train.h.ndim == 2 or train.h.shape[1] == 1:
            probe = fit_linear(_first(train), _first(val), task, self.strengths, self.tolerance)
            return _judging(probe, None, task)
        mix = equal_mix(train.h)
        probe = self._linear(mix, train, val, task)
        learnt = learnt_mix(mix, probe, train, task, self.steps)
        better = self._linear(learnt, train, val, task)
        if better.val_loss < probe.val_loss:
            mix, probe = learnt, better
        return _judging(probe, mix, task)

    def _linear(self, mix: Mix, train: Embeddings, val: Embeddings, task: Task) -> LinearProbe:
        train, val = (part._replace(h=mix(part.h)) for part in (train, val))
        return fit_linear(train, val, task, self.strengths, self.tolerance)


def equal_mix(h: Tensor) -> Mix:
    """Return the mean of layers with equal weights, for the clips of a subset, (n, L, D)."""
    mean = h.mean(dim=0, dtype=torch.float64)
    size = torch.stack(
        [(h[:, i].double() - mean[i]).square().mean().sqrt() for i in range(len(mean))]
    )
    weights = torch.full_like(size, 1 / len(size))
    return Mix(weights, mean, size.where(size > 0, 1))


@torch.enable_grad()
def learnt_mix(mix: Mix, probe: LinearProbe, train: Embeddings, task: Task, steps: int) -> Mix:
    """Return the mean of layers whose weights minimise the objective together with a probe.

    The objective is 0.5 ||w||^2 + strength * (sum of losses), as in `fit_linear`, where w belongs
    to the features as they are standardised under `mix`.

    Args:
        mix: Where the weights start.
        probe: Linear probe of it, where the probe starts.
        train: The clips, with embeddings (n, L, D).
        task: The task of the targets.
        steps: Maximum number of steps of L-BFGS.
    """
    mask = task.usable(train.mask)
    rows = mask.any(1)
    z = (train.h[rows].double() - mix.mean) / mix.size[:, None]  # (n, L, D)
    mask = mask[rows]
    y = train.y[rows].double().where(mask, 0)
    shape = z[:, 0].shape
    z = z.movedim(1, 0).reshape(len(mix.weights), -1)  # (L, n * D): a mean is one product
    offset, spread = standardisation((mix.weights @ z).view(shape))
    unit = torch.ones_like(y[0])
    if not task.has_classes:
        unit = _deviation(y, mask)
    logits = mix.weights.log().clone().requires_grad_()
    weight = (probe.weight.double() * spread / unit[:, None]).clone().requires_grad_()
    bias = ((probe.bias.double() + probe.weight.double() @ offset) / unit).clone().requires_grad_()
    loss, count = task.loss(None), _terms(mask, task)
    optimiser = torch.optim.LBFGS(
        [logits, weight, bias], max_iter=steps, line_search_fn="strong_wolfe"
    )

    def objective() -> Tensor:
        optimiser.zero_grad()
        mixed = (logits.softmax(0) @ z).view(shape)
        outputs = ((mixed - offset) / spread) @ weight.T + bias
        losses = count * loss(outputs, y / unit, mask)
        value = 0.5 * weight.square().sum() + probe.strength * losses
        torch.autograd.backward(value)
        return value

    optimiser.step(objective)  # type: ignore[no-untyped-call]
    weights = logits.detach().softmax(0)
    return mix._replace(weights=weights if weights.isfinite().all() else mix.weights)


def _terms(mask: Tensor, task: Task) -> float:
    """Return how many losses `Task.loss` is the mean of."""
    return float(len(mask) if task.one_class_per_clip else mask.sum())


def _deviation(y: Tensor, mask: Tensor) -> Tensor:
    count = mask.sum(0).clamp_min(1)
    mean = y.where(mask, 0).sum(0) / count
    spread = ((y - mean).where(mask, 0).square().sum(0) / count).sqrt()
    return spread.where(spread > 0, 1)


def _first(embeddings: Embeddings) -> Embeddings:
    h = embeddings.h
    return embeddings if h.ndim == 2 else embeddings._replace(h=h[:, 0])


def _judging(probe: LinearProbe, mix: Mix | None, task: Task) -> FittedProbe:
    def judge(h: Tensor) -> Tensor:
        mixed = mix(h) if mix is not None else h if h.ndim == 2 else h[:, 0]
        return task.scores(mixed @ probe.weight.T + probe.bias)

    weights = (1.0,) if mix is None else tuple(mix.weights.tolist())
    assert math.isclose(sum(weights), 1, rel_tol=1e-6)
    return FittedProbe(judge, probe.val_loss, {"strength": probe.strength}, weights)
