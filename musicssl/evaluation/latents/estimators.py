"""Estimators of mutual information between columns of numbers, in nats.

An estimator is called with two tables of the same rows and says which of their columns hold
discrete values. It returns the mutual information of each column of the first with each of the
second. The entropy of a column is its information about itself, by the same estimator.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree
from scipy.special import digamma
from sklearn.preprocessing import scale

from musicssl.errors import InputError

Floats = NDArray[np.floating]
Ints = NDArray[np.integer]

_NOISE = 1e-10  # relative to the values, as scikit-learn adds to part equal ones


class Estimator(Protocol):
    """What estimates mutual information.

    Attributes:
        name: For tables and names of metrics.
    """

    @property
    def name(self) -> str:
        """For tables and names of metrics."""

    def __call__(
        self, x: Floats, y: Floats, x_discrete: Sequence[bool], y_discrete: Sequence[bool]
    ) -> Floats:
        """Return the mutual information of columns, (N, K) and (N, L) -> (K, L), in nats."""


@dataclass(frozen=True)
class Neighbours:
    """The nearest-neighbour estimators of scikit-learn, with the same values, in less time.

    Between continuous columns: Kraskov et al. 2004, https://arxiv.org/abs/cond-mat/0305641,
    equation 8, as `sklearn.feature_selection.mutual_info_regression` computes it. If the second
    column is discrete: Ross 2014, https://doi.org/10.1371/journal.pone.0087357, equation 2, as
    `mutual_info_classif`. The first column always counts as continuous, as in latte-metrics:
    values are divided by their standard deviation, and noise of a relative 1e-10 parts equal ones.
    Estimates below 0 become 0.

    Neighbours in one dimension are found in sorted values, and only those in two in a tree.
    scikit-learn draws the noise of the second column differently, which matters only where a column
    that counts as continuous has equal values, and little; and for values that fewer than 7 clips
    have, it rounds distances so that its counts may be one more or less.

    Args:
        k: Neighbours; 3 as in scikit-learn.
        seed: Seed of the noise.

    Raises:
        InputError: If k is less than 1.
    """

    name: ClassVar[str] = "neighbours"
    k: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        if self.k < 1:
            raise InputError(f"the number of nearest neighbours is 1 or more, not {self.k}.")

    def __call__(
        self, x: Floats, y: Floats, x_discrete: Sequence[bool], y_discrete: Sequence[bool]
    ) -> Floats:
        """Return the mutual information of columns, (N, K) and (N, L) -> (K, L), in nats.

        Raises:
            InputError: If there are no more rows than neighbours.
        """
        if len(x) <= self.k:
            raise InputError(
                f"mutual information by {self.k} neighbours needs more than {len(x)} clips."
            )
        columns = [_Line.of(column) for column in _parted(x, self.seed).T]
        spread = _parted(y, self.seed + 1)
        found = np.empty((x.shape[1], y.shape[1]))
        for number, is_discrete in enumerate(y_discrete):
            if is_discrete:
                groups = _Groups.of(y[:, number], self.k)
                found[:, number] = [_ross(column, groups) for column in columns]
            else:
                other = _Line.of(spread[:, number])
                found[:, number] = [_kraskov(column, other, self.k) for column in columns]
        return np.maximum(found, 0)


@dataclass(frozen=True)
class Histogram:
    """Mutual information of bins, as in disentanglement_lib and the benchmark of dMelodies.

    Continuous columns are divided into bins of equal width from the smallest value to the greatest;
    discrete columns have a bin for each value. The information is that of the empirical joint
    distribution ("plug-in"), `sklearn.metrics.mutual_info_score`. It is biased upwards by about
    (bins - 1) (values - 1) / (2 N) nats for independent columns. Locatello et al. 2019,
    https://arxiv.org/abs/1811.12359; Pati et al. 2020, https://arxiv.org/abs/2007.15067.

    Args:
        bins: Number of bins of a continuous column; 20 as in both.

    Raises:
        InputError: If there are fewer than 2.
    """

    name: ClassVar[str] = "histogram"
    bins: int = 20

    def __post_init__(self) -> None:
        if self.bins < 2:
            raise InputError(f"a histogram has 2 bins or more, not {self.bins}.")

    def __call__(
        self, x: Floats, y: Floats, x_discrete: Sequence[bool], y_discrete: Sequence[bool]
    ) -> Floats:
        """Return the mutual information of columns, (N, K) and (N, L) -> (K, L), in nats."""
        of_x = [self._bins_of(*pair) for pair in zip(x.T, x_discrete, strict=True)]
        of_y = [self._bins_of(*pair) for pair in zip(y.T, y_discrete, strict=True)]
        return np.array([[_plug_in(a, b) for b in of_y] for a in of_x]).reshape(
            len(of_x), len(of_y)
        )

    def _bins_of(self, column: Floats, is_discrete: bool) -> Ints:
        """Return the bin of each value, (N,)."""
        if is_discrete:
            return np.unique(column, return_inverse=True)[1]
        edges = np.histogram_bin_edges(column, self.bins)
        return np.digitize(column, edges[:-1]) - 1


def _plug_in(first: Ints, second: Ints) -> float:
    """Return the mutual information of the empirical distribution of two columns of bins."""
    rows, columns = int(first.max()) + 1, int(second.max()) + 1
    joint = np.bincount(first * columns + second, minlength=rows * columns).reshape(rows, columns)
    p = joint / len(first)
    independent = p.sum(axis=1, keepdims=True) * p.sum(axis=0, keepdims=True)
    seen = p > 0
    return max(float((p[seen] * np.log(p[seen] / independent[seen])).sum()), 0.0)


@dataclass(frozen=True, eq=False)
class _Line:
    """The values of a column, and the same in order.

    Attributes:
        values: (N,).
        order: Rows by ascending value, (N,).
        ascending: The values in this order, (N,).
    """

    values: Floats
    order: Ints
    ascending: Floats

    @classmethod
    def of(cls, values: Floats) -> "_Line":
        values = np.ascontiguousarray(values)
        order = np.argsort(values)
        return cls(values, order, values[order])

    def within(self, values: Floats, radii: Floats) -> Ints:
        """Count the values of the column that are closer to each value than a radius, (n,)."""
        inside = np.maximum(radii - 4 * np.finfo(float).eps * (np.abs(values) + radii), 0)
        above = np.searchsorted(self.ascending, values + inside, "right")
        return above - np.searchsorted(self.ascending, values - inside, "left")

    def without(self, dropped: NDArray[np.bool_]) -> "_Line":
        """Return the column without some rows, given by a mask, (N,)."""
        return self if not dropped.any() else _Line.of(self.values[~dropped])


@dataclass(frozen=True, eq=False)
class _Groups:
    """The rows that have the same value of a discrete column; rows with a value of their own go.

    Attributes:
        alone: Whether a row has a value of its own, (N,) bool.
        labels: Number of the value of each other row, (n,).
        sizes: Rows that have this value, (n,).
        neighbours: Of each row in its group, (n,); fewer than k in small groups.
    """

    alone: NDArray[np.bool_]
    labels: Ints
    sizes: Ints
    neighbours: Ints

    @classmethod
    def of(cls, column: Floats, k: int) -> "_Groups":
        _, labels, counts = np.unique(column, return_inverse=True, return_counts=True)
        sizes = counts[labels]
        kept = sizes > 1
        small = labels.astype(np.min_scalar_type(len(counts)))  # numpy sorts small numbers faster
        return cls(~kept, small[kept], sizes[kept], np.minimum(k, sizes[kept] - 1))


def _parted(columns: Floats, seed: int) -> Floats:
    """Scale columns to a deviation of 1 and add noise to them; see `Neighbours`."""
    scaled = np.asarray(scale(np.asarray(columns, np.float64), with_mean=False))
    noise = np.random.RandomState(seed).standard_normal(scaled.shape)
    sizes = np.maximum(1, np.abs(scaled).mean(axis=0))
    parted: Floats = scaled + _NOISE * sizes * noise
    return parted


def _kraskov(first: _Line, second: _Line, k: int) -> float:
    """Return Kraskov's first estimate for two continuous columns."""
    points = np.column_stack([first.values, second.values])
    tree = KDTree(points, balanced_tree=False, compact_nodes=False)
    near = points[tree.indices]  # in an order in which searching is faster
    radii = np.asarray(tree.query(near, k + 1, p=np.inf)[0])[:, -1]  # the point itself is one
    psi = _digammas(len(points))
    counts = zip((first, second), near.T, strict=True)
    within = [psi[line.within(values, radii) - 1].mean() for line, values in counts]
    return float(psi[-1] + psi[k - 1] - sum(within))


@lru_cache(maxsize=8)
def _digammas(count: int) -> Floats:
    """Return digamma of 1 to a number, (count,)."""
    values: Floats = digamma(np.arange(1, count + 1))
    values.flags.writeable = False
    return values


def _ross(line: _Line, groups: _Groups) -> float:
    """Return Ross's estimate for a continuous column and the groups of a discrete one."""
    if not len(groups.labels):
        return 0.0
    line = line.without(groups.alone)
    order = line.order[np.argsort(groups.labels[line.order], kind="stable")]  # groups, ascending
    values, labels, k = line.values[order], groups.labels[order], groups.neighbours[order]
    psi = _digammas(len(values))
    near = psi[line.within(values, _radii(values, labels, k)) - 1].mean()
    return float(psi[-1] + psi[k - 1].mean() - psi[groups.sizes - 1].mean() - near)


def _radii(values: Floats, labels: Ints, neighbours: Ints) -> Floats:
    """Return the distance of each value to its k-th neighbour of the same group.

    The k nearest values and the value itself follow each other in order, so that the distance is
    the least over the k + 1 windows of k + 1 values that hold it.

    Args:
        values: Groups one after the other, ascending in each, (n,).
        labels: Group of each, (n,).
        neighbours: k of each, the same in a group and less than its size, (n,).
    """
    radii = np.full(len(values), np.inf)
    for k in np.unique(neighbours).tolist():
        first, last = values[:-k], values[k:]  # of each window
        whole = (labels[k:] == labels[:-k]) & (neighbours[k:] == k)
        for before in range(k + 1):  # values of the window before its own value
            here = slice(before, before + len(first))
            far = np.maximum(values[here] - first, last - values[here])
            np.minimum(radii[here], far, out=radii[here], where=whole)
    return radii
