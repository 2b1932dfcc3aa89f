"""Methods fold by fold, beside the metrics of all folds together."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

from musicssl.evaluation.metrics import metric_info, percent
from musicssl.evaluation.statistics.spread import Spread, spread
from musicssl.report.analysis.grids import Grid
from musicssl.report.analysis.grouping import Cell, Method, fractions


@dataclass(frozen=True)
class FoldGrid(Grid):
    """A table of folds; its last column is over folds, the others are over seeds."""

    @property
    def seeds(self) -> str:
        """Nothing: the note says what the values are over."""
        return ""


def fold_grids(methods: Sequence[Method], metric: str) -> list[FoldGrid]:
    """Lay out a metric fold by fold, with its mean and spread over folds, a table for each p_s.

    Args:
        methods: Tested on the same clips, of all folds or of none.
        metric: Name.

    Returns:
        Empty if the runs do not belong to several folds.
    """
    return [
        _grid([m for m in methods if p_s in m.cells], p_s, metric)
        for p_s in fractions(methods)
        if all(run.folds for m in methods if p_s in m.cells for run in m.cells[p_s].runs.values())
    ]


def over_folds(cell: Cell, metric: str) -> Spread:
    """Take mean and spread over folds of a metric, each fold's the mean over seeds."""
    return spread(one.mean for one in _by_fold(cell, metric).values())


def _grid(methods: Sequence[Method], p_s: float, metric: str) -> FoldGrid:
    info, names = metric_info(metric), list(methods[0].cells[p_s].first.folds)
    rows = {
        method.label: (
            *(_by_fold(method.cells[p_s], metric)[name] for name in names),
            over_folds(method.cells[p_s], metric),
        )
        for method in methods
    }
    columns = (*(f"fold {name}" for name in names), "mean of folds")
    return FoldGrid(
        title=f"{info.heading} fold by fold at {percent(p_s)} of the labels",
        columns=columns,
        rows=rows,
        errors=tuple(range(len(columns))) if info.smaller_is_better else (),
        note="a fold is mean ± standard deviation over seeds, the last column over folds",
    )


def _by_fold(cell: Cell, metric: str) -> dict[str, Spread]:
    runs = cell.runs.values()
    return {
        name: spread(run.folds[name].metrics.get(metric, nan) for run in runs)
        for name in cell.first.folds
    }
