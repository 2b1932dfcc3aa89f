"""Tables of mean and spread: rows are methods, columns fractions of labels or metrics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from musicssl.errors import InputError
from musicssl.evaluation.metrics import METRICS, MetricInfo, metric_info, percent
from musicssl.evaluation.statistics.spread import Spread, spread
from musicssl.report.analysis.grouping import Method, fractions


@dataclass(frozen=True)
class Grid:
    """One table.

    Attributes:
        title: Above it.
        columns: Heads of the columns.
        rows: The cells of each method by its label; of no seeds where it has no runs.
        errors: Indices of the columns in which the smallest mean is the best.
        head: Above the labels of the rows.
        note: What the values are, if they are not mean and spread over seeds.
    """

    title: str
    columns: tuple[str, ...]
    rows: Mapping[str, tuple[Spread, ...]]
    errors: tuple[int, ...] = ()
    head: str = "method"
    note: str | None = None

    @property
    def seeds(self) -> str:
        """The number of seeds, if all cells have the same."""
        counts = {cell.seeds for row in self.rows.values() for cell in row if cell.seeds}
        if len(counts) > 1:
            return "number of seeds in brackets"
        return "1 seed" if counts == {1} else f"{max(counts, default=0)} seeds"

    def texts(self, label: str) -> list[str]:
        """Write the cells of a row."""
        in_brackets = self.seeds.endswith("brackets")
        return [
            f"{cell} ({cell.seeds})" if in_brackets and cell.seeds else str(cell)
            for cell in self.rows[label]
        ]

    def is_best(self, label: str, column: int) -> bool:
        """Whether a row has the best mean of a column, among two or more as they are shown."""
        best = min if column in self.errors else max
        means = {
            name: round(row[column].mean, 4) for name, row in self.rows.items() if row[column].n
        }
        return len(means) > 1 and means.get(label) == best(means.values())


def grids(methods: Sequence[Method], metrics: Sequence[str]) -> list[Grid]:
    """Lay out metrics that some run has: by p_s, a table each; at a single p_s, all in one table.

    Args:
        methods: In the order of the rows.
        metrics: Names, in the order of tables or columns.
    """
    present = [metric_info(name) for name in metrics if is_known(methods, name)]
    columns = fractions(methods)
    if len(columns) > 1 or not present:
        return [_over_fractions(methods, info) for info in present]
    title = f"at {percent(columns[0])} of the labels"
    keys = [(columns[0], info.name) for info in present]
    errors = tuple(i for i, info in enumerate(present) if info.smaller_is_better)
    return [Grid(title, tuple(info.heading for info in present), _rows(methods, keys), errors)]


def main_grids(methods: Sequence[Method], metric: str) -> list[Grid]:
    """Lay out the main metric; at a single fraction of labels, all metrics of reports."""
    return grids(methods, [metric] if len(fractions(methods)) > 1 else _main_first(methods, metric))


def other_grids(methods: Sequence[Method], metric: str) -> list[Grid]:
    """Lay out the other metrics of reports, if they are not in `main_grids`."""
    return grids(methods, _main_first(methods, metric)[1:]) if len(fractions(methods)) > 1 else []


def _main_first(methods: Sequence[Method], metric: str) -> list[str]:
    """List the metrics of reports, the main one first, those that are not in `METRICS` last."""
    in_report = [info.name for info in METRICS.values() if info.kind == "score" and info.in_report]
    unlisted = [name for name in measured(methods) if name not in METRICS]
    return list(dict.fromkeys([metric, *in_report, *unlisted]))


def _over_fractions(methods: Sequence[Method], info: MetricInfo) -> Grid:
    columns = fractions(methods)
    rows = _rows(methods, [(p_s, info.name) for p_s in columns])
    errors = tuple(range(len(columns))) if info.smaller_is_better else ()
    return Grid(info.heading, fraction_heads(methods), rows, errors)


def measured(methods: Sequence[Method]) -> list[str]:
    """List the metrics that some run has, defined or not."""
    runs = [run for method in methods for run in method.runs]
    return list(dict.fromkeys(name for run in runs for name in run.metrics))


def is_known(methods: Sequence[Method], metric: str) -> bool:
    """Whether some run has a value of a metric."""
    return any(cell.spread(metric).n for method in methods for cell in method.cells.values())


def check_metric(methods: Sequence[Method], metric: str) -> None:
    """Make sure that some run has a value of a metric.

    Raises:
        InputError: If none has.
    """
    if not is_known(methods, metric):
        names = ", ".join(sorted(measured(methods)))
        raise InputError(f"no run has the metric {metric}; choose one of: {names}.")


def fraction_heads(methods: Sequence[Method]) -> tuple[str, ...]:
    """Name each fraction of labels with the number of clips that it is, if all agree on it."""
    heads = []
    for p_s in fractions(methods):
        clips = {m.cells[p_s].labelled for m in methods if p_s in m.cells}
        heads.append(percent(p_s) + (f" ({clips.pop():,.0f})" if len(clips) == 1 else ""))
    return tuple(heads)


def _rows(
    methods: Sequence[Method], keys: Sequence[tuple[float, str]]
) -> dict[str, tuple[Spread, ...]]:
    return {
        method.label: tuple(
            method.cells[p_s].spread(metric) if p_s in method.cells else spread([])
            for p_s, metric in keys
        )
        for method in methods
    }
