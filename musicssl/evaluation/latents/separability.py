"""SAP: how much better the best latent dimension predicts an attribute linearly than the next."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from musicssl.evaluation.latents.estimators import Floats, Ints
from musicssl.evaluation.latents.gaps import Dimensions, gap
from musicssl.evaluation.latents.information import Bools, checked, is_discrete, usable

_LEAST_VARIANCE = 1e-12
_STEPS = 50  # of Newton's method at most
_HALVINGS = 20  # of a step at most
_PRECISION = 1e-6  # of the gradient, relative to that of the start


def sap(scores: Floats, dimensions: Dimensions | None = None) -> Floats:
    """Return the separated attribute predictability of each attribute, (M,).

    The score of the best dimension, or of d_i, less that of the best other one. Kumar et al. 2018,
    https://arxiv.org/abs/1711.00848, section 3.

    Args:
        scores: See `linear_scores`, (D, M).
        dimensions: d_i of each attribute, (M); None for the best of each.
    """
    gaps = []
    for i, column in enumerate(scores.T):
        best = None if np.isnan(column).any() else int(column.argmax())
        gaps.append(gap(column, best if dimensions is None else dimensions[i])[0])
    return np.array(gaps)


def linear_scores(
    z: Floats,
    attributes: Floats,
    mask: Bools | None = None,
    discrete: Sequence[bool] | None = None,
    c: float = 1.0,
) -> Floats:
    """Return how well each latent dimension alone predicts each attribute linearly, (D, M).

    Of a continuous attribute: the squared correlation, 0 where the variance of the dimension is
    below 1e-12. Of a discrete one: the accuracy, on the same clips, of a linear support vector
    machine, one value against the others. It is that of `sklearn.svm.LinearSVC(C=1)`, whose problem
    is solved here by Newton's method for all values at once.

    Args:
        z: Latent variables of clips, (N, D).
        attributes: (N, M).
        mask: True where observed, (N, M); None if all are.
        discrete: Which attributes take few values, (M); None for `is_discrete`.
        c: Weight of the errors of the support vector machine.

    Returns:
        Scores in [0, 1]; NaN for an attribute that is constant, or observed too seldom.

    Raises:
        InputError: See `measure_information`.
    """
    observed = checked(z, attributes, mask)
    kinds = is_discrete(attributes, observed) if discrete is None else discrete
    scores = np.full((z.shape[1], attributes.shape[1]), np.nan)
    for i, rows in enumerate(usable(attributes, observed).T):
        if not rows.any():
            continue
        here, values = z[rows].astype(np.float64), attributes[rows, i].astype(np.float64)
        if kinds[i]:
            labels = np.unique(values, return_inverse=True)[1]
            scores[:, i] = [_accuracy(column, labels, c) for column in here.T]
        else:
            scores[:, i] = squared_correlations(here, values)
    return scores


def squared_correlations(z: Floats, values: Floats) -> Floats:
    """Return the squared correlation of each column, (N, D), with values, (N,), as (D,).

    It is 0 where the variance of the column is below 1e-12.
    """
    centred, own = z - z.mean(axis=0), values - values.mean()
    variance = (centred**2).sum(axis=0) / (len(z) - 1)
    share: Floats = (
        (own @ centred) ** 2 / (own @ own) / ((len(z) - 1) * np.maximum(variance, 1e-300))
    )
    return np.where(variance > _LEAST_VARIANCE, share, 0.0)


def _accuracy(x: Floats, labels: Ints, c: float) -> float:
    """Return the training accuracy of a linear support vector machine of one feature."""
    order = np.argsort(x)
    x, labels = x[order], labels[order]
    count = int(labels.max()) + 1
    machines = np.arange(count) if count > 2 else np.array([1])
    slope, offset = _Machines.of(x, labels, machines, c).solved()
    decisions = slope[:, None] * x
    decisions += offset[:, None]
    found = decisions.argmax(axis=0) if count > 2 else decisions[0] > 0
    return float((found == labels).mean())


class _Errors(NamedTuple):
    """Sums over the clips within the margin of each of K machines, (3, K): of 1, x and x^2.

    Attributes:
        own: Over clips of the value of the machine, whose target t is 1.
        others: Over the other clips, whose target is -1.
    """

    own: Floats
    others: Floats


@dataclass(frozen=True, eq=False)
class _Machines:
    """K linear support vector machines of one feature: (w^2 + b^2) / 2 + c * sum of errors.

    An error is max(0, 1 - t (w x + b))^2. The clips with an error are an interval of the ascending
    x, so that sums over them are differences of running sums.

    Attributes:
        x: Ascending, (N,).
        starts: N times the value of each machine, (K,).
        places: N times the value of each clip plus its place in x, ascending, (N,).
        own: Running sums of 1, x and x^2 over the clips in the order of `places`, (3, N + 1).
        all: The same in the order of x, (3, N + 1).
        c: Weight of the errors.
    """

    x: Floats
    starts: Ints
    places: Ints
    own: Floats
    all: Floats
    c: float

    @classmethod
    def of(cls, x: Floats, labels: Ints, machines: Ints, c: float) -> "_Machines":
        powers = np.stack([np.ones_like(x), x, x**2])
        order = np.argsort(labels.astype(np.min_scalar_type(labels.max())), kind="stable")
        places, starts = labels[order] * len(x) + order, machines * len(x)
        return cls(x, starts, places, _running(powers[:, order]), _running(powers), c)

    def solved(self) -> tuple[Floats, Floats]:
        """Return w and b, (K,) each, by Newton's method with halved steps where needed."""
        w = np.zeros((2, len(self.starts)))
        errors = self._errors(w)
        first = np.abs(self._gradient(w, errors)).max(axis=0)
        for _ in range(_STEPS):
            gradient = self._gradient(w, errors)
            if (np.abs(gradient).max(axis=0) <= _PRECISION * first).all():
                break
            step = self._step(gradient, errors)
            w = w - self._share(w, errors, gradient, step) * step
            errors = self._errors(w)
        return w[0], w[1]

    def _errors(self, w: Floats) -> _Errors:
        """Sum up the clips that have an error, w and b being (2, K)."""
        own, _ = self._sums(w, 1.0, below=True)
        of_value, of_all = self._sums(w, -1.0, below=False)
        return _Errors(own, of_all - of_value)

    def _sums(self, w: Floats, level: float, below: bool) -> tuple[Floats, Floats]:
        """Sum up where w x + b is below a level, or above it: clips of each value, and all."""
        slope, distance = w[0], level - w[1]
        flat = np.where(distance > 0, np.inf, -np.inf)
        cut = np.divide(distance, slope, out=flat, where=slope != 0)
        index = np.searchsorted(self.x, cut)
        to_the_left = (slope >= 0) == below
        low, high = np.where(to_the_left, 0, index), np.where(to_the_left, index, len(self.x))
        first, last = (np.searchsorted(self.places, self.starts + end) for end in (low, high))
        of_value = self.own[:, last] - self.own[:, first]
        return of_value, self.all[:, high] - self.all[:, low]

    def _cost(self, w: Floats, errors: _Errors) -> Floats:
        cost: Floats = (w**2).sum(axis=0) / 2
        for (n, x, xx), target in zip(errors, (1, -1), strict=True):
            squares = w[0] ** 2 * xx + 2 * w[0] * w[1] * x + w[1] ** 2 * n
            cost = cost + self.c * (n - 2 * target * (w[0] * x + w[1] * n) + squares)
        return cost

    def _gradient(self, w: Floats, errors: _Errors) -> Floats:
        gradient = w
        for (n, x, xx), target in zip(errors, (1, -1), strict=True):
            pull = np.stack([target * x - w[0] * xx - w[1] * x, target * n - w[0] * x - w[1] * n])
            gradient = gradient - 2 * self.c * pull
        return gradient

    def _step(self, gradient: Floats, errors: _Errors) -> Floats:
        n, x, xx = errors.own + errors.others
        ww, wb, bb = 1 + 2 * self.c * xx, 2 * self.c * x, 1 + 2 * self.c * n
        g, h = gradient
        step: Floats = np.stack([bb * g - wb * h, ww * h - wb * g]) / (ww * bb - wb**2)
        return step

    def _share(self, w: Floats, errors: _Errors, gradient: Floats, step: Floats) -> Floats:
        """Return the share of each step, 1 or a power of a half, that lowers its cost, (K,)."""
        cost, slope = self._cost(w, errors), (gradient * step).sum(axis=0)
        share = np.ones(len(cost))
        for _ in range(_HALVINGS):
            new = w - share * step
            fails = self._cost(new, self._errors(new)) > cost - 1e-4 * share * slope + 1e-9 * cost
            if not fails.any():
                break
            share = np.where(fails, share / 2, share)
        return share


def _running(values: Floats) -> Floats:
    """Return the sums of the first 0, 1, 2 ... values, (..., N) -> (..., N + 1)."""
    return np.pad(np.cumsum(values, axis=-1), ((0, 0), (1, 0)))
