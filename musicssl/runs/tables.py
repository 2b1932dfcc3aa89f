"""Tables of metrics: for the terminal with rich, for other programs as CSV."""

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from musicssl.documents import csv_field
from musicssl.errors import printable
from musicssl.evaluation.metrics import METRICS, metric_info, primary_metric

PerClass = Mapping[str, Sequence[float] | NDArray[np.floating]]

_UNDEFINED = "\N{EN DASH}"


_CLASS_WIDTH = 24  # at most; longer names are folded
_LEAST_CLASS_WIDTH = 18  # to which the column of names shrinks before a metric is left out
_GAP, _EDGES = 3, 2  # columns between two cells, and at both ends


def metrics_table(
    classes: Sequence[str],
    per_class: PerClass,
    macro: Mapping[str, float],
    width: int = 100,
    others: Mapping[str, Mapping[str, float]] | None = None,
) -> Table:
    """Lay out a test result within a width, the macro means and those of others as last rows.

    Metrics of clips as a whole, which have no value for a class, stand beneath the table. Where it
    would be too wide, metrics are left out, and a line beneath the table names them.

    Args:
        classes: Names, (C).
        per_class: As in `musicssl.evaluation.metrics.Metrics`, (C) each; a column for each. "both"
            heads the means over the values absent and present.
        macro: As there.
        width: Width of the table at most, in columns of the terminal.
        others: Macro means of other classifiers of the same clips, by their names.

    Returns:
        A table in which NaN is a dash.
    """
    others = others or {}
    counts = [key for key in per_class if _is_count(key)]
    seen = ["/".join(f"{per_class[key][row]:.0f}" for key in counts) for row in range(len(classes))]
    class_width = min(_LEAST_CLASS_WIDTH, max(map(cell_len, [*classes, *others, "class", "macro"])))
    room = width - _EDGES - class_width - _GAP - max(map(len, [*seen, "pos./obs."]))
    every_score = [key for key in per_class if key not in counts]
    scores = _that_fit(every_score, room)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    table.add_column("class", min_width=class_width, max_width=_CLASS_WIDTH, overflow="fold")
    heads = [metric_info(key).short for key in scores]
    for head in [*heads, "pos./obs." if len(counts) == 2 else "obs."]:
        table.add_column(head, justify="right", no_wrap=True)
    for row, name in enumerate(classes):
        numbers = [_rounded(per_class[key][row]) for key in scores]
        # Text: brackets in a name are no markup
        table.add_row(Text(printable(name)), *numbers, seen[row])
    table.add_section()
    table.add_row("macro", *(_rounded(macro[key]) for key in scores), "", style="bold")
    if others:
        table.add_section()
    for name, means in others.items():
        table.add_row(Text(name), *(_rounded(means.get(key, math.nan)) for key in scores), "")
    of_clips = [key for key in macro if key not in per_class]
    lines = [_line(macro, of_clips)] if of_clips else []
    lines += [f"{name}: {_line(means, of_clips)}" for name, means in others.items() if of_clips]
    if left_out := [metric_info(key).heading for key in every_score if key not in scores]:
        lines.insert(0, f"Too wide for {width} columns, see metrics.csv: {'; '.join(left_out)}.")
    table.caption, table.caption_style = "\n".join(lines) or None, "bold"
    table.caption_justify = "left"
    return table


def _line(values: Mapping[str, float], keys: Sequence[str]) -> str:
    rounded = {key: _rounded(values.get(key, math.nan)) for key in keys}
    return ", ".join(f"{metric_info(key).heading} {value}" for key, value in rounded.items())


def _that_fit(scores: Sequence[str], room: int) -> list[str]:
    """Leave metrics out until the rest is narrow enough; the one that sums up a run stays."""
    kept = list(scores)
    main = primary_metric(kept) if kept else None
    secondary = [key for key in reversed(kept) if key in METRICS and _is_secondary(key)]
    others = [key for key in reversed(kept) if key not in (*secondary, main)]
    for key in (*secondary, *others):
        if sum(_column_width(name) + _GAP for name in kept) <= room:
            break
        kept.remove(key)
    return kept


def _is_secondary(key: str) -> bool:
    info = metric_info(key)
    return not info.resampled and info.measure is None


def _column_width(key: str) -> int:
    return max(len("0.000"), *map(len, metric_info(key).short.splitlines()))


def write_metrics_csv(
    path: Path, classes: Sequence[str], per_class: PerClass, macro: Mapping[str, float]
) -> Path:
    """Write a row for each class and one named "macro", every value in full precision.

    Names are written as by `musicssl.documents.csv_field`. An undefined value reads "nan". The
    macro row has no counts. Metrics of clips as a whole are the last columns, which are empty in
    the rows of the classes.

    Args:
        path: The file to write; its folder is made if needed.
        classes: Names, (C).
        per_class: As in `musicssl.evaluation.metrics.Metrics`, (C) each; the columns.
        macro: As there.

    Returns:
        `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        columns = list(dict.fromkeys([*per_class, *macro]))
        writer.writerow(["class", *columns])
        for row, name in enumerate(classes):
            values = (_exact(key, per_class[key][row]) for key in per_class)
            writer.writerow([csv_field(name), *values, *[""] * (len(columns) - len(per_class))])
        writer.writerow(["macro", *(macro.get(key, "") for key in columns)])
    return path


def _exact(key: str, value: float) -> int | float:
    return int(value) if _is_count(key) else float(value)


def _is_count(key: str) -> bool:
    return metric_info(key).kind == "count"


def _rounded(value: float) -> str:
    return _UNDEFINED if math.isnan(value) else f"{value:.3f}"
