"""Tables of mean and spread: rows are methods, columns fractions of labels or metrics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from musicssl.errors import InputError
from musicssl.evaluation.metrics import LOCALISATION, METRICS, percent, smaller_is_better
from musicssl.evaluation.statistics.spread import Spread, spread
from musicssl.report.analysis.grouping import Method, fractions


@dataclass(frozen=True)
class Grid:
    """One table.

    Attributes:
        title: What its values are.
        columns: Heads.
        rows: The cells of each method by its label; of no seeds where it has no runs.
        errors: Places of the columns whose least mean is the best.
        head: What a row is.
        note: What its values are, in more words than mean and spread over seeds.
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
        bracket = self.seeds.endswith("brackets")
        return [
            f"{cell} ({cell.seeds})" if bracket and cell.seeds else str(cell)
            for cell in self.rows[label]
        ]

    def is_best(self, label: str, column: int) -> bool:
        """Whether a row has the best mean of a column, among two or more as they are shown."""
        best = min if column in self.errors else max
        shown = {
            name: round(row[column].mean, 4) for name, row in self.rows.items() if row[column].n
        }
        return len(shown) > 1 and shown.get(label) == best(shown.values())


def grids(methods: Sequence[Method], metrics: Mapping[str, str]) -> list[Grid]:
    """Lay out metrics that some run has: by p_s, a table each; at a single p_s, all in one table.

    Args:
        methods: In the order of the rows.
        metrics: What to call each metric.
    """
    present = {name: head for name, head in metrics.items() if is_known(methods, name)}
    columns = fractions(methods)
    if len(columns) > 1 or not present:
        return [_over_fractions(methods, name, head) for name, head in present.items()]
    title = f"at {percent(columns[0])} of the labels"
    keys = [(columns[0], name) for name in present]
    errors = tuple(place for place, name in enumerate(present) if smaller_is_better(name))
    return [Grid(title, tuple(present.values()), _rows(methods, keys), errors)]


def main_grids(methods: Sequence[Method], metric: str, name: str) -> list[Grid]:
    """Lay out the main metric; at a single fraction of labels, all usual ones.

    Args:
        methods: In the order of the rows.
        metric: The main one.
        name: What to call it.
    """
    names = {metric: name}
    return grids(methods, names if len(fractions(methods)) > 1 else names | METRICS)


def other_grids(methods: Sequence[Method], metric: str) -> list[Grid]:
    """Lay out the other usual metrics, if they are not in `main_grids`."""
    others = {key: name for key, name in METRICS.items() if key != metric}
    return grids(methods, others) if len(fractions(methods)) > 1 else []


def _over_fractions(methods: Sequence[Method], metric: str, head: str) -> Grid:
    columns = fractions(methods)
    rows = _rows(methods, [(p_s, metric) for p_s in columns])
    errors = tuple(range(len(columns))) if smaller_is_better(metric) else ()
    return Grid(head, fraction_heads(methods), rows, errors)


def is_known(methods: Sequence[Method], metric: str) -> bool:
    """Whether some run has a value of a metric."""
    return any(cell.spread(metric).n for method in methods for cell in method.cells.values())


def metric_name(methods: Sequence[Method], metric: str) -> str:
    """Return what to call a metric.

    Raises:
        InputError: If no run has it.
    """
    if not is_known(methods, metric):
        known = sorted({key for method in methods for run in method.runs for key in run.metrics})
        raise InputError(f"no run has the metric {metric}; choose one of: {', '.join(known)}.")
    return (METRICS | LOCALISATION).get(metric, metric)


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
