"""Newton's method on many small convex problems at once, with conjugate gradients inside.

Each problem has steps of its own, and all share the matrix products with the features: twenty
columns at a time, float32 products were half as fast as four hundred at a time. Problems that are
solved leave the batch.
"""

from dataclasses import dataclass, replace
from typing import Protocol, Self

import torch
from torch import Tensor

_STEPS = 50  # of Newton; 4 to 10 are usual
_INNER_STEPS = 100  # of conjugate gradients in each
_HALVINGS = 20
_INNER_NEAR = 0.2  # of a gradient, that conjugate gradients may leave
_CROWD = 0.9  # share of a batch that must be unsolved, or copies to a smaller one pay
_UPHILL = 0.1  # steepness at the end of a step, of that at its start


class Fit(Protocol):
    """How well the logits of P problems, (P, G, N), fit their targets; convex functions of them."""

    def only(self, problems: Tensor) -> Self:
        """Return the fit of some of the problems, by a mask or by their places."""

    def to(self, dtype: torch.dtype) -> Self:
        """Return the same in another precision."""

    def slope(self, logits: Tensor) -> Tensor:
        """Return the derivative of the loss, summed over clips, by the logits, (P, G, N)."""

    def weights(self, logits: Tensor) -> Tensor:
        """Return what `curved` is computed from, (P, G, N)."""

    def curved(self, weights: Tensor, moved: Tensor) -> Tensor:
        """Return the derivative of `slope` in a direction, (P, G, N)."""


@dataclass(frozen=True)
class Problem:
    """Penalised fits of linear functions: 0.5 ||w||^2 + strength * loss, the bias without penalty.

    A problem may have G linear functions that are fitted together, as those of a softmax.

    Attributes:
        features: (N, K + 1), the last one 1.
        strengths: (P,).
        fit: Of the logits.
        scale: What parameters are measured in, (P, G, K + 1): about one over the root of the
            curvature, so that conjugate gradients need few steps.
    """

    features: Tensor
    strengths: Tensor
    fit: Fit
    scale: Tensor

    def only(self, problems: Tensor) -> "Problem":
        """Return some of the problems, by a mask or by their places."""
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
        """Return the derivative by scaled parameters, (P, G, K + 1)."""
        return self.pulled_back(self.fit.slope(logits), parameters)

    def pulled_back(self, of_logits: Tensor, parameters: Tensor) -> Tensor:
        """Return a derivative by scaled parameters, of one by the logits and of the penalty."""
        flat = of_logits.reshape(-1, of_logits.shape[2]) @ self.features
        of_parameters = self.strengths[:, None, None] * flat.view(*of_logits.shape[:2], -1)
        of_parameters[..., :-1] += parameters[..., :-1]
        return of_parameters.mul_(self.scale)


def length(gradient: Tensor) -> Tensor:
    """Return the length of the gradient of each problem, (P,)."""
    return _dot(gradient, gradient).sqrt()


def minimise(problem: Problem, start: Tensor, near: Tensor) -> Tensor:
    """Return the parameters that solve each problem, (P, G, K + 1), from some to start with.

    A problem is solved where its gradient, in scaled parameters, is no longer than `near`, (P,). It
    is left after 50 steps.
    """
    parameters = start.clone()
    left = torch.ones_like(near, dtype=torch.bool)
    here, w, logits = problem, start, problem.logits(start)
    gradient = here.gradient(w, logits)
    for _ in range(_STEPS):
        unsolved = length(gradient) > near[left]
        if not unsolved.all():
            parameters[left] = w
            left = left.masked_scatter(left, unsolved)
            if not left.any():
                return parameters
            here, w = here.only(unsolved), w[unsolved]
            logits, gradient = logits[unsolved], gradient[unsolved]
        direction = _direction(here, logits, gradient, near[left])
        w, logits, gradient = _stepped(here, w, logits, gradient, direction)
    parameters[left] = w
    return parameters


def _direction(problem: Problem, logits: Tensor, gradient: Tensor, near: Tensor) -> Tensor:
    """Return Newton's step by conjugate gradients, to a fifth or where the problem is solved."""
    weights = problem.fit.weights(logits)
    near = torch.maximum(_INNER_NEAR * length(gradient), near / 2)
    solution = torch.zeros_like(gradient)
    direction, rest, search = solution.clone(), -gradient, -gradient
    square, left = _dot(rest, rest), torch.ones_like(near, dtype=torch.bool)
    for _ in range(_INNER_STEPS):
        unsolved = square.sqrt() > near[left]
        if unsolved.sum() < _CROWD * len(unsolved):
            solution[left] = direction
            left = left.masked_scatter(left, unsolved)
            if not left.any():
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
        kept = (next_square / square).where(unsolved, 0)[:, None, None]
        search, square = rest + kept * search, next_square
    solution[left] = direction
    return solution


def _stepped(
    problem: Problem, parameters: Tensor, logits: Tensor, gradient: Tensor, direction: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return parameters, logits and gradient a step further.

    The full step of a problem is halved until it ends at most a tenth as steep uphill as it began
    downhill: on a convex function that is about where it ceases to lead further down. Unlike
    Armijo's rule that needs no value, and the gradient is needed anyway.
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
