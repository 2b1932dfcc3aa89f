"""A coloured table of how much each latent dimension tells about each attribute."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from musicssl.figures.style import COLOURS, PLAIN, SMALL, spacious, title_width, wrapped

_CELL_INCHES, _MARGIN_INCHES = 0.34, 2.2
_LARGEST_INCHES = 14
_MOST_NUMBERS = 40  # dimensions or attributes up to which each cell says its value


def draw_information(
    names: Sequence[str],
    shares: NDArray[np.floating],
    dimensions: Sequence[int | None],
    meaning: str,
) -> Figure:
    """Draw a row for each latent dimension and a column for each attribute.

    Args:
        names: Names of the attributes, (M).
        shares: Mutual information over the entropy of the attribute, (D, M); NaN is left white.
        dimensions: Dimensions of the attributes, (M), which get a frame.
        meaning: Label of the colour bar.
    """
    height, width = (
        min(_MARGIN_INCHES + _CELL_INCHES * count, _LARGEST_INCHES) for count in shares.shape
    )
    figure = Figure(figsize=(max(width + 1, 5), max(height, 3.5)), layout=spacious())
    axes = figure.subplots()
    title = "What latent dimensions tell about attributes; frames: the dimension of an attribute"
    figure.suptitle(wrapped(title, title_width(figure)), fontsize=SMALL + 2, **PLAIN)
    top = float(np.nanmax(shares, initial=0)) or 1.0
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=top, aspect="auto")
    columns, rows = (range(0, count, _step(count)) for count in shares.shape[::-1])
    labels = [wrapped(names[column]) for column in columns]
    axes.set_xticks(columns, labels, rotation=90, fontsize=SMALL, **PLAIN)
    axes.set_yticks(rows, [str(row) for row in rows], fontsize=SMALL)
    axes.set_xlabel("attribute")
    axes.set_ylabel("latent dimension")
    if max(shares.shape) <= _MOST_NUMBERS:
        for row, column in np.argwhere(shares >= 0.005):
            value = shares[row, column]
            ink = "white" if value > 0.6 * top else "black"
            text = f"{value:.2f}"
            axes.text(column, row, text, color=ink, fontsize=SMALL - 2, ha="center", va="center")
    for column, row in enumerate(dimensions):
        if row is not None:
            corner = (column - 0.5, row - 0.5)
            look: dict[str, Any] = {"fill": False, "edgecolor": COLOURS[5], "linewidth": 1.6}
            axes.add_patch(Rectangle(corner, 1, 1, clip_on=False, zorder=3, **look))
    bar = figure.colorbar(image, ax=axes, shrink=0.8)
    bar.set_label(meaning, fontsize=SMALL)
    bar.ax.tick_params(labelsize=SMALL - 1)
    return figure


def _step(count: int) -> int:
    """Return the step between labels so that they do not overlap."""
    return max(int(-(-_CELL_INCHES * count // (_LARGEST_INCHES - _MARGIN_INCHES))), 1)
