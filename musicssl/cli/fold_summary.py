"""Summary of a sweep over folds: metrics of the clips of all folds, and their spread."""

from collections.abc import Iterable
from pathlib import Path

from rich import box
from rich.table import Table
from rich.text import Text

from musicssl.errors import printable
from musicssl.evaluation.metrics import metric_info, percent, primary_metric
from musicssl.report.analysis.folds import over_folds
from musicssl.report.analysis.grouping import Method, group
from musicssl.report.read.folds import pooled
from musicssl.report.read.runs import read_runs


def fold_table(folders: Iterable[Path]) -> Table | None:
    """Lay out the runs of a sweep over folds, a row for each setting.

    Args:
        folders: Folders of complete runs.

    Returns:
        None if no setting has runs of several folds.
    """
    runs = [run for run in pooled(read_runs(list(folders)).runs) if run.folds]
    if not runs:
        return None
    metric = primary_metric(list(runs[0].metrics))
    heading = metric_info(metric).heading
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("over folds")
    for head in ("labels", "folds", "seeds", f"{heading} of all clips", "mean of folds ± sd"):
        table.add_column(head, justify="right")
    for method in group(runs):
        for row in _rows(method, metric):
            table.add_row(*(Text(printable(cell)) for cell in row))
    return table


def _rows(method: Method, metric: str) -> list[tuple[str, ...]]:
    return [
        (
            method.label,
            percent(p_s),
            str(len(cell.first.folds)),
            str(len(cell.runs)),
            str(cell.spread(metric)),
            str(over_folds(cell, metric)),
        )
        for p_s, cell in method.cells.items()
    ]
