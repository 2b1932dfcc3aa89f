"""Newton's method with conjugate gradients for many small convex problems at once.

Each problem has its own step sizes, and all share the matrix products with the features: float32
products of twenty columns at a time are half as fast as of four hundred. Solved problems are
removed from the batch.
"""

from dataclasses import dataclass, replace
from typing import Protocol, Self

import torch
from torch import Tensor

_STEPS = 50  # Newton steps at most; 4 to 10 are usual
_INNER_STEPS = 100  # steps of conjugate gradients at most, in each Newton step
_HALVINGS = 20  # of a step size, at most
_INNER_NEAR = 0.2  # remaining fraction of a gradient at which conjugate gradients stop
_CROWD = 0.9  # below this fraction of unsolved problems, copying them to a smaller batch is faster
_UPHILL = 0.1  # largest slope at the end of a step, relative to the slope at its start


class Fit(Protocol):
    """The losses of P problems, convex functions of their logits, (P, G, N)."""

    def only(self, problems: Tensor) -> Self:
        """Return the losses of some of the problems, selected by a mask or by indices."""

    def to(self, dtype: torch.dtype) -> Self:
        """Return the same in another precision."""

    def slope(self, logits: Tensor) -> Tensor:
        """Return the derivative of the loss, summed over clips, by the logits, (P, G, N)."""

    def weights(self, logits: Tensor) -> Tensor:
        """Return the intermediate results for `curved`, (P, G, N)."""

    def curved(self, weights: Tensor, moved: Tensor) -> Tensor:
        """Return the derivative of `slope` in a direction, (P, G, N)."""


@dataclass(frozen=True)
class Problem:
    """Penalised fits of linear functions: 0.5 ||w||^2 + strength * loss, no penalty on the bias.

    A problem may have G linear functions that are fitted together, like those of a softmax.

    Attributes:
        features: Features, (N, K + 1); the last one is 1.
        strengths: Strengths, (P,).
        fit: Losses as functions of the logits.
        scale: Units of the parameters, (P, G, K + 1): about one over the root of the curvature, so
            that conjugate gradients need few steps.
    """

    features: Tensor
    strengths: Tensor
    fit: Fit
    scale: Tensor

    def only(self, problems: Tensor) -> "Problem":
        """Return some of the problems, selected by a mask or by indices."""
        return replace(
            self,
            strengths=self.strengths[problems],
            fit=self.fit.only(problems),
            scale=self.scale[problems],
        )

    def to(self, dtype: torch.dtype) -> "Problem":
        """Return the same in another precision."""
        features, strengths = self.features.to(dtype), self.strengths.to(dtype)
        return Problem(features, strengths, self.fit.to(dtype), self.scale.to(dtype))

    def logits(self, parameters: Tensor) -> Tensor:
        """Return the logits of the clips, (P, G, N)."""
        flat = parameters.reshape(-1, parameters.shape[2]) @ self.features.T
        return flat.view(*parameters.shape[:2], -1)

    def gradient(self, parameters: Tensor, logits: Tensor) -> Tensor:
        """Return the derivative with respect to scaled parameters, (P, G, K + 1)."""
        return self.pulled_back(self.fit.slope(logits), parameters)

    def pulled_back(self, of_logits: Tensor, parameters: Tensor) -> Tensor:
        """Return the derivative with respect to scaled parameters, penalty included.

        Args:
            of_logits: Derivative of the losses with respect to the logits, (P, G, N).
            parameters: Parameters, (P, G, K + 1), for the penalty.
        """
        flat = of_logits.reshape(-1, of_logits.shape[2]) @ self.features
        of_parameters = self.strengths[:, None, None] * flat.view(*of_logits.shape[:2], -1)
        of_parameters[..., :-1] += parameters[..., :-1]
        return of_parameters.mul_(self.scale)


def length(gradient: Tensor) -> Tensor:
    """Return the length of the gradient of each problem, (P,)."""
    return _dot(gradient, gradient).sqrt()


def minimise(problem: Problem, start: Tensor, near: Tensor) -> Tensor:
    """Return the parameters that solve each problem, (P, G, K + 1).

    A problem is solved when its gradient, in scaled parameters, is not longer than `near`, (P,). It
    is given up after 50 steps. `start` has the initial parameters, (P, G, K + 1).
    """
    parameters = start.clone()
    active = torch.ones_like(near, dtype=torch.bool)
    batch, w, logits = problem, start, problem.logits(start)
    gradient = batch.gradient(w, logits)
    for _ in range(_STEPS):
        unsolved = length(gradient) > near[active]
        if not unsolved.all():
            parameters[active] = w
            active = active.masked_scatter(active, unsolved)
            if not active.any():
                return parameters
            batch, w = batch.only(unsolved), w[unsolved]
            logits, gradient = logits[unsolved], gradient[unsolved]
        direction = _direction(batch, logits, gradient, near[active])
        w, logits, gradient = _stepped(batch, w, logits, gradient, direction)
    parameters[active] = w
    return parameters


def _direction(problem: Problem, logits: Tensor, gradient: Tensor, near: Tensor) -> Tensor:
    """Return Newton's step by conjugate gradients, down to a fifth of the gradient or `near`."""
    weights = problem.fit.weights(logits)
    near = torch.maximum(_INNER_NEAR * length(gradient), near / 2)
    solution = torch.zeros_like(gradient)
    direction, rest, search = solution.clone(), -gradient, -gradient
    square, active = _dot(rest, rest), torch.ones_like(near, dtype=torch.bool)
    for _ in range(_INNER_STEPS):
        unsolved = square.sqrt() > near[active]
        if unsolved.sum() < _CROWD * len(unsolved):
            solution[active] = direction
            active = active.masked_scatter(active, unsolved)
            if not active.any():
                return solution
            problem, weights, square = problem.only(unsolved), weights[unsolved], square[unsolved]
            direction, rest, search = direction[unsolved], rest[unsolved], search[unsolved]
            unsolved = unsolved[unsolved]
        trial = problem.scale * search
        moved = problem.fit.curved(weights, problem.logits(trial))
        curved = problem.pulled_back(moved, trial)
        pace = (square / _dot(search, curved)).where(unsolved, 0)[:, None, None]
        direction = direction + pace * trial
        rest = rest - pace * curved
        next_square = _dot(rest, rest)
        momentum = (next_square / square).where(unsolved, 0)[:, None, None]
        search, square = rest + momentum * search, next_square
    solution[active] = direction
    return solution


def _stepped(
    problem: Problem, parameters: Tensor, logits: Tensor, gradient: Tensor, direction: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return parameters, logits and gradient after a step.

    The full step of a problem is halved until its slope at the end is at most a tenth of the slope
    at the start, with the opposite sign: for a convex function this is about the minimum along the
    step. Unlike Armijo's rule this needs no function value, and the gradient is needed anyway.
    """
    moved = problem.logits(direction)
    along = direction / problem.scale
    most = -_UPHILL * _dot(gradient, along)
    step = torch.ones_like(most)
    for _ in range(_HALVINGS):
        pace = step[:, None, None]
        w, reached = parameters + pace * direction, logits + pace * moved
        gradient = problem.gradient(w, reached)
        over = _dot(gradient, along) > most
        if not over.any():
            break
        step = torch.where(over, step / 2, step)
    return w, reached, gradient


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum((1, 2))
