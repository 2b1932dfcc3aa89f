"""Tables of metrics: for the terminal with rich, for other programs as CSV."""

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.table import Table
from rich.text import Text

from musicssl.metrics import COUNTS

PerClass = Mapping[str, Sequence[float] | NDArray[np.floating]]

_HEADS = {
    "precision": "prec.",
    "recall": "recall",
    "f1": "F1",
    "precision_both": "prec.\nboth",
    "recall_both": "recall\nboth",
    "f1_both": "F1\nboth",
    "auroc": "AUROC",
    "average_precision": "AP",
}
_UNDEFINED = "\N{EN DASH}"


def metrics_table(classes: Sequence[str], per_class: PerClass, macro: Mapping[str, float]) -> Table:
    """Lay out the values of `musicssl.metrics` within 100 columns, the macro means as last row.

    Args:
        classes: Names, (C).
        per_class: As from `per_class_metrics`, (C) each. "both" heads the means over the values
            absent and present.
        macro: As from `macro`.

    Returns:
        A table in which NaN is a dash.
    """
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    table.add_column("class", max_width=24, overflow="fold")
    for head in [*_HEADS.values(), "pos./obs."]:
        table.add_column(head, justify="right", no_wrap=True)
    for row, name in enumerate(classes):
        counts = f"{per_class['positives'][row]:.0f}/{per_class['observed'][row]:.0f}"
        numbers = [_rounded(per_class[key][row]) for key in _HEADS]
        table.add_row(Text(name), *numbers, counts)  # Text: brackets in a name are no markup
    table.add_section()
    table.add_row("macro", *(_rounded(macro[key]) for key in _HEADS), "", style="bold")
    return table


def write_metrics_csv(
    path: Path, classes: Sequence[str], per_class: PerClass, macro: Mapping[str, float]
) -> Path:
    """Write a row for each class and one named "macro", every value in full precision.

    An undefined value reads "nan"; the macro row has no counts.

    Args:
        path: The file to write; its folder is made if needed.
        classes: Names, (C).
        per_class: As from `per_class_metrics`, (C) each; the columns.
        macro: As from `macro`.

    Returns:
        `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["class", *per_class])
        for row, name in enumerate(classes):
            writer.writerow([name, *(_exact(key, per_class[key][row]) for key in per_class)])
        writer.writerow(["macro", *(macro.get(key, "") for key in per_class)])
    return path


def _exact(key: str, value: float) -> int | float:
    return int(value) if key in COUNTS else float(value)


def _rounded(value: float) -> str:
    return _UNDEFINED if math.isnan(value) else f"{value:.3f}"
