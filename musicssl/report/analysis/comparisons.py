"""All pairs of methods, compared on macro AUROC at each fraction of labels."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from musicssl.evaluation.statistics.significance import (
    FEWEST_SEEDS,
    PairedTest,
    holm,
    paired_test,
)
from musicssl.report.analysis.grouping import Cell, Method, fractions
from musicssl.report.read.runs import Run

TESTED = "auroc"  # the metric that methods are compared on


@dataclass(frozen=True)
class Comparison:
    """One method against another at one fraction of labels.

    Attributes:
        method: Label.
        other: Label of the one whose AUROC is subtracted.
        p_s: Fraction of labels.
        labelled: Labelled clips of `method`, mean over seeds.
        seeds: Those that both have: what is compared.
        left_out: Those that only one has.
        test: Over the common seeds; None if there are none.
        with_baseline: Whether `other` is the baseline.
        p_baseline: p value corrected for all comparisons with the baseline; None for the others.
        p_all: p value corrected for all pairs.
    """

    method: str
    other: str
    p_s: float
    labelled: float
    seeds: tuple[int, ...]
    left_out: tuple[int, ...]
    test: PairedTest | None
    with_baseline: bool
    p_baseline: float | None = None
    p_all: float | None = None

    @property
    def has_enough_seeds(self) -> bool:
        """Whether the test may support a claim that one of the two methods is better."""
        return len(self.seeds) >= FEWEST_SEEDS

    @property
    def caveat(self) -> str:
        """Limits of the comparison that follow from its seeds; empty if there are none."""
        caveats = []
        if not self.seeds:
            caveats.append("no seed in common: not tested")
        elif len(self.seeds) == 1:
            caveats.append("one seed: spread of training unknown")
        elif not self.has_enough_seeds:
            caveats.append(f"fewer than {FEWEST_SEEDS} seeds: no claim")
        if self.left_out and self.seeds:
            caveats.append(f"seeds of only one left out: {', '.join(map(str, self.left_out))}")
        return "; ".join(caveats)


def compare_all(methods: Sequence[Method]) -> list[Comparison]:
    """Compare every pair of methods at every fraction that both have; the first is the baseline.

    Runs of a regression have no AUROC and are not compared.
    """
    if methods[0].runs[0].scores.influence is None:
        return []
    pairs = [
        _compare(method, other, p_s, other is methods[0])
        for p_s in fractions(methods)
        for other, method in combinations(methods, 2)
        if p_s in method.cells and p_s in other.cells
    ]
    return _corrected(pairs)


def _compare(method: Method, other: Method, p_s: float, with_baseline: bool) -> Comparison:
    cell, other_cell = method.cells[p_s], other.cells[p_s]
    seeds = tuple(sorted(cell.runs.keys() & other_cell.runs.keys()))
    left_out = tuple(sorted(cell.runs.keys() ^ other_cell.runs.keys()))
    test = _test(cell, other_cell, seeds) if seeds else None
    return Comparison(
        *(method.label, other.label, p_s, cell.labelled, seeds, left_out, test, with_baseline)
    )


def _test(cell: Cell, other: Cell, seeds: Sequence[int]) -> PairedTest:
    pairs = [(cell.runs[seed], other.runs[seed]) for seed in seeds]
    differences = [a.metrics[TESTED] - b.metrics[TESTED] for a, b in pairs]
    influences = [_influence(a) - _influence(b) for a, b in pairs]  # S x (N,)
    return paired_test(np.array(differences), np.stack(influences))


def _influence(run: Run) -> NDArray[np.float64]:
    assert run.scores.influence is not None
    return run.scores.influence


def _corrected(pairs: Sequence[Comparison]) -> list[Comparison]:
    """Correct for the comparisons with the baseline alone, and for all of them."""
    of_baseline = _holm([pair for pair in pairs if pair.with_baseline])
    of_all = _holm(pairs)
    return [
        replace(pair, p_baseline=of_baseline.get(pair), p_all=of_all.get(pair)) for pair in pairs
    ]


def _holm(pairs: Sequence[Comparison]) -> dict[Comparison, float]:
    tests = {pair: pair.test.p for pair in pairs if pair.test is not None}
    return dict(zip(tests, holm(list(tests.values())), strict=True))
