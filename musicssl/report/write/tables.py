"""The tables of a report, every cell as it is printed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from musicssl.evaluation.metrics import metric_info, percent
from musicssl.evaluation.statistics.significance import FEWEST_SEEDS, p_text
from musicssl.report.analysis.best_settings import ChoiceTable
from musicssl.report.analysis.comparisons import TESTED, Comparison
from musicssl.report.analysis.grids import Grid, fraction_heads
from musicssl.report.analysis.labels_needed import Match
from musicssl.report.analysis.probe_boards import ProbeBoard
from musicssl.report.analysis.probe_study import ProbeComparison, ProbeStudy
from musicssl.report.analysis.study import Study
from musicssl.report.read.settings import ABSENT, differing
from musicssl.report.write.probe_verdicts import is_probe_difference
from musicssl.report.write.verdicts import SIGNIFICANT, is_difference

_NONE = "–"


@dataclass(frozen=True)
class Cell:
    """One cell of a table.

    Attributes:
        text: One line, or several.
        is_bold: Whether it stands out.
        is_long: Whether the text needs a wide column.
    """

    text: str
    is_bold: bool = False
    is_long: bool = False


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        title: Above it.
        heads: Headings of the columns, beginning with that of the row labels.
        rows: The label and the cells of each row.
        seeds: The number of seeds of its values, in words; None if they are not over seeds.
        note: What its values are, if not mean and standard deviation over seeds.
    """

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]
    seeds: str | None = None
    note: str | None = None

    @property
    def caption(self) -> str:
        """The title, and what the values are."""
        if self.seeds is None:
            return self.title
        return f"{self.title}: {self.note or f'mean ± standard deviation, {self.seeds}'}"


def spread_table(grid: Grid | ChoiceTable) -> Table:
    """Lay out means and spreads, the best of each column in bold."""
    rows = [
        (
            label,
            [Cell(text, grid.is_best(label, i)) for i, text in enumerate(grid.texts(label))],
        )
        for label in grid.rows
    ]
    return _table(grid.title, [grid.head, *grid.columns], rows, grid.seeds, grid.note)


def comparisons_table(comparisons: Sequence[Comparison], baseline: str) -> Table | None:
    """Lay out the comparisons with the baseline; None if there are none.

    Args:
        comparisons: Those of other pairs are left out.
        baseline: Its label.
    """
    with_baseline = [one for one in comparisons if one.with_baseline]
    if not with_baseline:
        return None
    metric = metric_info(TESTED).heading
    heads = ["method", "labels (clips)", f"{metric} difference", "95 % interval"]
    heads += ["p", "p, Holm", "seeds"]
    if any(one.caveat for one in with_baseline):
        heads.append("note")
    title = (
        f"macro {metric} less that of {baseline}; paired by seed and clip, p corrected "
        f"for {len(with_baseline)} comparisons, bold below {SIGNIFICANT} from {FEWEST_SEEDS} seeds "
        "on"
    )
    rows = [(one.method, _comparison(one)[: len(heads) - 1]) for one in with_baseline]
    return _table(title, heads, rows)


def labels_needed_table(study: Study) -> Table | None:
    """Lay out how many labels the baseline needs to match; None if that is not known."""
    if not study.matches:
        return None
    matches = {(one.method, one.p_s): one for one in study.matches}
    title = (
        f"labelled clips with which {study.baseline.label} reaches the same {study.metric_name}, "
        "their 95 % interval over redrawn seeds, and their ratio to the labels of the method"
    )
    rows = [
        (method.label, [_match(matches.get((method.label, p_s))) for p_s in study.p_s])
        for method in study.methods[1:]
    ]
    return _table(title, ["method", *fraction_heads(study.methods)], rows)


def runs_table(study: Study) -> Table:
    """List all runs."""
    heads = ["method", "labels", "labelled clips", "seed", study.metric_name]
    heads += ["best epoch", "folder"]
    rows = [
        (
            method.label,
            [
                *map(Cell, (percent(run.p_s), f"{run.labelled:,}", str(run.seed))),
                Cell(f"{run.metrics.get(study.metric, float('nan')):.4f}"),
                Cell(_NONE if run.best_epoch is None else str(run.best_epoch)),
                Cell(str(run.folder), is_long=True),
            ],
        )
        for method in study.methods
        for whole in method.runs
        for run in whole.trained
    ]
    return _table("all runs that this page is made from", heads, rows)


def settings_table(study: Study) -> Table | None:
    """List all settings in which methods of one name differ; None if no name is shared.

    Labels of methods name only as many of them as it takes to tell the methods apart.
    """
    names = [method.name for method in study.methods]
    sharing = [method for method in study.methods if names.count(method.name) > 1]
    if not sharing:
        return None
    keys = sorted(
        {
            key
            for name in names
            for key in differing([method.settings for method in sharing if method.name == name])
        }
    )
    rows = [
        (method.label, [Cell(method.settings.get(key, ABSENT)) for key in keys])
        for method in sharing
    ]
    return _table("all settings in which methods of the same name differ", ["method", *keys], rows)


def probe_comparisons_table(
    board: ProbeBoard, comparisons: Sequence[ProbeComparison]
) -> Table | None:
    """Lay out the comparisons with the baseline of a board; None if there are none."""
    if not comparisons:
        return None
    metric = metric_info(comparisons[0].metric).heading
    heads = ["model", "labels (clips)", f"{metric} difference", "95 % interval", "p", "p, Holm"]
    title = (
        f"{metric} less that of {board.baseline.label}; paired by test clip, p corrected for "
        f"{len(comparisons)} comparisons, bold where the verdict calls it a difference"
    )
    return _table(title, heads, [(one.model, _probe_comparison(one)) for one in comparisons])


def probe_results_table(study: ProbeStudy) -> Table:
    """List all results of probes."""
    heads = ["model", "probe", "training seed", "at the most labels", "chance", "folder"]
    rows = [
        (
            model.label,
            [
                Cell(board.title),
                Cell(_NONE if result.seed is None else str(result.seed)),
                Cell(f"{result.cells[max(result.cells)].mean[board.metric]:.4f}"),
                Cell(_NONE if board.chance is None else f"{board.chance:.4f}"),
                Cell(str(result.folder), is_long=True),
            ],
        )
        for board in study.boards
        for model in board.models
        for result in model.results
    ]
    return _table("all results that the tables of probes are made from", heads, rows)


def _table(
    title: str,
    heads: Iterable[str],
    rows: Iterable[tuple[str, Iterable[Cell]]],
    seeds: str | None = None,
    note: str | None = None,
) -> Table:
    frozen = tuple((label, tuple(cells)) for label, cells in rows)
    return Table(title, tuple(heads), frozen, seeds, note)


def _match(match: Match | None) -> Cell:
    return Cell(_NONE if match is None else "\n".join(match.parts))


def _comparison(one: Comparison) -> list[Cell]:
    labels = Cell(f"{percent(one.p_s)} ({one.labelled:,.0f})")
    caveat = Cell(one.caveat, is_long=True)
    if one.test is None or one.p_baseline is None:
        return [labels, *[Cell(_NONE)] * 4, Cell("0"), caveat]
    low, high = one.test.interval
    return [
        labels,
        Cell(f"{one.test.difference:+.4f}"),
        Cell(f"{low:+.4f} to {high:+.4f}"),
        Cell(p_text(one.test.p)),
        Cell(p_text(one.p_baseline), is_bold=is_difference(one)),
        Cell(str(len(one.seeds))),
        caveat,
    ]


def _probe_comparison(one: ProbeComparison) -> list[Cell]:
    test, is_bound = one.test, one.test.p_is_bound
    return [
        Cell(f"{percent(one.p_s)} ({one.labelled:,})"),
        Cell(f"{test.difference:+.4f}"),
        Cell(f"{test.low:+.4f} to {test.high:+.4f}"),
        Cell(p_text(test.p, is_bound=is_bound)),
        Cell(p_text(one.p_holm, is_bound=is_bound), is_bold=is_probe_difference(one)),
    ]
