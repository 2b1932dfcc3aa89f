"""A table in colours of clusters over classes: which classes are in which cluster?"""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from musicssl.figures.style import PLAIN, SMALL, spacious, title_width, wrapped

_CELL_INCHES, _MARGIN_INCHES = 0.34, 2.5
_LARGEST_INCHES = 14
_MOST_NUMBERS = 24  # classes or clusters up to which each cell says its value


def draw_clusters(
    classes: Sequence[str],
    sizes: NDArray[np.integer],
    values: NDArray[np.floating],
    meaning: str,
    form: str,
) -> Figure:
    """Draw a row for each cluster, ordered by the class of which it has the greatest value.

    Args:
        classes: Names, (C).
        sizes: Clips of each cluster, (K,).
        values: Values of each cluster and class, 0 or more, (K, C); NaN is left white.
        meaning: Label of the colour bar.
        form: Format specification of the values in the cells, such as ".1f".
    """
    leading = np.where(np.isnan(values), -1, values).argmax(axis=1)
    order = np.lexsort((np.arange(len(sizes)), leading, sizes == 0))
    height, width = (
        min(_MARGIN_INCHES + _CELL_INCHES * count, _LARGEST_INCHES) for count in values.shape
    )
    figure = Figure(figsize=(max(width + 1, 5), max(height, 3.5)), layout=spacious())
    axes = figure.subplots()
    figure.suptitle(wrapped("Classes in clusters of test clips", title_width(figure)), **PLAIN)
    table = values[order]
    top = float(np.nanmax(values, initial=0)) or 1.0
    image = axes.imshow(table, cmap="Blues", vmin=0, vmax=top, aspect="auto")
    columns, rows = (range(0, count, _step(count)) for count in (len(classes), len(order)))
    names = [wrapped(classes[c]) for c in columns]
    axes.set_xticks(columns, names, rotation=90, fontsize=SMALL, **PLAIN)
    axes.set_yticks(rows, [f"{order[r]} ({sizes[order[r]]:,})" for r in rows], fontsize=SMALL)
    axes.set_xlabel("class")
    axes.set_ylabel("cluster (clips)")
    if max(values.shape) <= _MOST_NUMBERS:
        for row, column in np.argwhere(table > 0):
            value = table[row, column]
            ink = "white" if value > 0.6 * top else "black"
            text = format(value, form)
            axes.text(column, row, text, color=ink, fontsize=SMALL - 2, ha="center", va="center")
    figure.colorbar(image, ax=axes, shrink=0.8).set_label(meaning)
    return figure


def _step(count: int) -> int:
    """Return the step between labels so that they do not overlap."""
    return max(int(-(-_CELL_INCHES * count // (_LARGEST_INCHES - _MARGIN_INCHES))), 1)
