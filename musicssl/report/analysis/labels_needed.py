"""How many labels does the baseline need to match a method?

The baseline's mean curve over the number of labelled clips, linear in its logarithm between the
fractions that were run, is read backwards.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isinf, isnan, nan

import numpy as np
from numpy.typing import NDArray

from musicssl.evaluation.metrics import metric_info
from musicssl.report.analysis.grouping import Cell, Method

Floats = NDArray[np.float64]

_DRAWS = 1000


@dataclass(frozen=True)
class Match:
    """The labelled clips with which the baseline scores as high as another method.

    Attributes:
        method: Label.
        p_s: Fraction of labels of that method.
        labelled: The number of labelled clips of that method.
        needed: Clips that the baseline needs; 0 if it is better with the fewest that were run, inf
            if it is worse with the most.
        low: 2.5 % quantile of `needed` over redrawn seeds; NaN if there is one seed.
        high: 97.5 % quantile.
        ends: Fewest and most clips of the baseline that were run.
    """

    method: str
    p_s: float
    labelled: float
    needed: float
    low: float
    high: float
    ends: tuple[float, float]

    @property
    def parts(self) -> list[str]:
        """The number needed, its interval, and its ratio to the labels of the method.

        Parts that are not known, or that only repeat the ends, are left out.
        """
        needed, low, high = map(self._text, (self.needed, self.low, self.high))
        parts = [needed]
        if not isnan(self.low) and not needed == low == high:
            parts.append(f"({low} to {high})")
        if 0 < self.needed < inf:
            parts.append(f"{self.needed / self.labelled:.1f} ×")
        return parts

    def _text(self, clips: float) -> str:
        fewest, most = self.ends
        if isinf(clips):
            return f"more than {most:,.0f}"
        return f"fewer than {fewest:,.0f}" if clips == 0 else f"{clips:,.0f}"


def match_all(methods: Sequence[Method], metric: str) -> list[Match]:
    """Match every method with the first at each fraction; none if that has a single fraction.

    Cells without a labelled clip take no part.
    """
    baseline, *other_methods = methods
    curve = [cell for cell in baseline.cells.values() if cell.labelled > 0]
    if len(curve) < 2:
        return []
    return [
        _match(method, p_s, curve, metric)
        for method in other_methods
        for p_s, cell in method.cells.items()
        if cell.labelled > 0
    ]


def labels_needed(clips: Floats, curves: Floats, targets: Floats) -> Floats:
    """Read curves backwards: where does each reach its target for the first time?

    Args:
        clips: Labelled clips, ascending, (P,).
        curves: Values there, (D, P).
        targets: One for each curve, (D,).

    Returns:
        Clips, (D,): 0 where the curve starts above the target, inf where it never reaches it.
    """
    reached = curves >= targets[:, None]
    k = reached.argmax(axis=1)  # the first; 0 if there is none
    rows, left = np.arange(len(curves)), np.maximum(k - 1, 0)
    below, above = curves[rows, left], curves[rows, k]
    rise = np.where(above > below, above - below, 1)
    share = (targets - below) / rise
    logs = np.log(clips)
    needed = np.exp(logs[left] + share * (logs[k] - logs[left]))
    needed = np.where((k == 0) & (above > targets), 0, np.where(k == 0, clips[0], needed))
    return np.where(reached.any(axis=1), needed, inf)


def _match(method: Method, p_s: float, curve: Sequence[Cell], metric: str) -> Match:
    cell = method.cells[p_s]
    clips = np.array([point.labelled for point in curve])
    values = _by_seed([*curve, cell], metric)  # (P + 1, U)
    if metric_info(metric).smaller_is_better:
        values = -values
    means = _weighted_means(values, np.ones((1, values.shape[1])))
    needed = float(labels_needed(clips, means[:, :-1], means[:, -1])[0])
    low, high = nan, nan
    if values.shape[1] > 1:
        draws = _redrawn(values.shape[1])
        means = _weighted_means(values, draws)
        means = means[~np.isnan(means).any(axis=1)]
        spread = labels_needed(clips, means[:, :-1], means[:, -1])
        low, high = np.quantile(spread, [0.025, 0.975], method="inverted_cdf")
    ends = float(clips[0]), float(clips[-1])
    return Match(method.label, p_s, cell.labelled, needed, float(low), float(high), ends)


def _by_seed(cells: Sequence[Cell], metric: str) -> Floats:
    """Lay out a metric by cell and seed, NaN where a cell has not that seed."""
    columns = [cell.values(metric) for cell in cells]
    seeds = sorted({seed for column in columns for seed in column})
    return np.array([[column.get(seed, nan) for seed in seeds] for column in columns])


def _redrawn(num_seeds: int) -> Floats:
    """Draw seeds with replacement: how often each comes up, (D, U).

    A seed is drawn for all cells at once, for it draws the same labelled clips for all methods.
    """
    rng = np.random.default_rng(0)
    weights: Floats = rng.multinomial(num_seeds, [1 / num_seeds] * num_seeds, _DRAWS).astype(float)
    return weights


def _weighted_means(values: Floats, weights: Floats) -> Floats:
    """Take the mean of each cell over its seeds, by weight, (D, cells); NaN without weight."""
    defined = ~np.isnan(values)
    totals, counts = weights @ np.where(defined, values, 0).T, weights @ defined.T
    return np.divide(totals, counts, out=np.full_like(totals, nan), where=counts > 0)
