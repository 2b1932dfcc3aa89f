"""A line for each class and a dot for each method: on which classes does one gain?"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from musicssl.figures.style import GREY, PLAIN, looks, spacious, wrapped

_ROW_INCHES = 0.27


def draw_class_dots(
    classes: Sequence[str],
    values: Mapping[str, NDArray[np.floating]],
    metric: str,
    title: str,
    reference: tuple[float, str] = (0.5, "chance"),
) -> Figure:
    """Draw a line per class and a dot on it per method, best class of the first method on top.

    Args:
        classes: Names, (C).
        values: By the name of the method, (C) each; NaN for a class is drawn as "undefined".
        metric: Heading of the metric.
        title: Above the picture.
        reference: A value to mark, and what reaches it.
    """
    first = next(iter(values.values()))
    order = np.argsort(-first, kind="stable")  # NaN comes last
    figure = Figure(figsize=(9, 1.6 + _ROW_INCHES * len(classes)), layout=spacious())
    axes = figure.subplots()
    axes.set_title(wrapped(title, 50), loc="left", **PLAIN)
    table = np.stack([column[order] for column in values.values()])  # (M, C)
    rows = np.arange(len(classes))
    defined = ~np.isnan(table).any(axis=0)
    span = table[:, defined]
    axes.hlines(rows[defined], span.min(axis=0), span.max(axis=0), color="0.8", linewidth=2)
    for name, column, look in zip(values, table, looks(len(values)), strict=True):
        label = wrapped(name, 36)
        axes.scatter(column, rows, 34, color=look.colour, marker=look.marker, label=label, zorder=3)
    for row in rows[~defined]:
        axes.text(reference[0], row, "undefined", color=GREY, va="center", ha="center")
    axes.axvline(reference[0], color=GREY, linestyle=":", label=reference[1])
    axes.set_yticks(rows, [wrapped(classes[c]) for c in order], **PLAIN)
    axes.set_ylim(len(classes) - 0.5, -0.5)  # best on top
    axes.set_xlabel(metric, **PLAIN)
    axes.grid(visible=True, axis="x", color="0.9")
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right"]].set_visible(False)
    legend = figure.legend(loc="outside right upper", frameon=False)
    for text in legend.get_texts():
        text.set_parse_math(False)
    return figure
