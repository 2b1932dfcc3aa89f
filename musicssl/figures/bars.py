"""Horizontal bars: how well each class is recognised."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import AbstractPathEffect, withStroke
from numpy.typing import NDArray

from musicssl.figures.style import COLOURS, GREY, PLAIN, SMALL, spacious, title_width, wrapped

_BAR_INCHES, _GAP_INCHES, _LINE_INCHES = 0.15, 0.13, 0.16
_HALO: list[AbstractPathEffect] = [withStroke(linewidth=2.5, foreground="white")]


def draw_per_class_bars(
    classes: Sequence[str],
    values: Mapping[str, Sequence[float]],
    title: str,
    positives: Sequence[int] | None = None,
) -> Figure:
    """Draw a bar per class and metric, best class on top, and the macro mean as a line.

    Args:
        classes: Names, (C).
        values: One or a few metrics of at most 1 by the name to show, (C) each; the first one
            orders the classes. NaN is drawn as "undefined", comes last and is left out of the mean.
        title: Above the picture.
        positives: How many clips of each class were observed as positive, (C), shown with its name.
    """
    table = {name: np.asarray(column, dtype=np.float64) for name, column in values.items()}
    order = _best_first(next(iter(table.values())))
    labels = [wrapped(name) for name in classes]
    if positives is not None:
        labels = [f"{label} ({count})" for label, count in zip(labels, positives, strict=True)]
    slot = _slot_inches(len(table), labels)
    figure = Figure(figsize=(8, 1.5 + slot * len(classes)), layout=spacious())
    figure.suptitle(wrapped(title, title_width(figure)), **PLAIN)
    axes = figure.subplots()
    for number, (name, column) in enumerate(table.items()):
        offset = (number - (len(table) - 1) / 2) * _BAR_INCHES / slot
        _draw_metric(axes, name, column[order], offset, _BAR_INCHES / slot, COLOURS[number])
    if positives is not None:
        axes.set_xlabel("in brackets: observed positives", fontsize=SMALL)
    axes.set_yticks(range(len(classes)), [labels[row] for row in order], **PLAIN)
    _frame(axes, len(classes), float(np.nanmin([0, *np.concatenate([*table.values()])])))
    handles = [*axes.containers, *axes.lines]
    figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False)
    return figure


def _slot_inches(num_metrics: int, labels: Sequence[str]) -> float:
    most_lines = 1 + max(label.count("\n") for label in labels)
    return _GAP_INCHES + max(num_metrics * _BAR_INCHES, most_lines * _LINE_INCHES)


def _best_first(column: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.argsort(-column, kind="stable")  # NaN comes last


def _draw_metric(
    axes: Axes, name: str, column: NDArray[np.float64], offset: float, height: float, colour: str
) -> None:
    rows = np.arange(len(column)) + offset
    axes.barh(rows, np.nan_to_num(column), height * 0.92, color=colour, label=name)
    for row, value in zip(rows, column, strict=True):
        text, ink = ("undefined", GREY) if np.isnan(value) else (f"{value:.2f}", "black")
        left = max(np.nan_to_num(value), 0) + 0.008
        label = axes.text(left, row, text, color=ink, fontsize=SMALL - 1, va="center", zorder=4)
        label.set_path_effects(_HALO)
    defined = column[~np.isnan(column)]
    if len(defined):
        macro = defined.mean()
        line = axes.axvline(macro, color=colour, linewidth=1.4, zorder=3)
        line.set_path_effects(_HALO)
        line.set_label(f"macro mean of {name}: {macro:.3f}")


def _frame(axes: Axes, num_classes: int, least: float) -> None:
    axes.set_ylim(num_classes - 0.5, -0.5)  # best on top
    left = max(np.floor(5 * least) / 5, -1.0)  # a bar to less than -1 is cut, its number is not
    axes.set_xlim(left, 1.06)  # leaves room for the number beside a bar of 1
    axes.set_xticks(np.linspace(left, 1, round(5 * (1 - left)) + 1))
    axes.xaxis.grid(visible=True, color="0.88")
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right"]].set_visible(False)
