"""Panels of curves over the features of clips."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from musicssl.figures.feature_axis import Floats
from musicssl.figures.style import COLOURS, PLAIN, SMALL, wrapped

_LOOKS: tuple[dict[str, Any], ...] = (
    {"color": "black", "linestyle": "-"},
    {"color": COLOURS[0], "linestyle": "-"},
    {"color": COLOURS[5], "linestyle": "--"},
)
_FAINT = "#9DC3DE"
_KEY = 15.0  # points, the height of a key


@dataclass(frozen=True, eq=False)
class Curves:
    """A panel of curves over the features.

    Attributes:
        title: Above it.
        named: One to three curves, (F,) each, by their names in its key.
        faint: Thin ones behind them, (N, F), if there are any.
    """

    title: str
    named: Mapping[str, Floats]
    faint: Floats | None = None


def draw_panels(
    figure: Figure | SubFigure, panels: Sequence[Sequence[Curves]], feature: str, value: str
) -> None:
    """Draw rows of panels on the same axes.

    Args:
        figure: To draw into.
        panels: Rows, of which the last may be shorter.
        feature: Label of the axis along the features.
        value: Unit of the values.
    """
    columns = len(panels[0])
    grid = figure.subplots(len(panels), columns, sharex=True, sharey=True, squeeze=False)
    for row, curves in zip(grid, panels, strict=True):
        row[0].set_ylabel(value, fontsize=SMALL)
        for axes, one in zip(row, curves, strict=False):
            draw_curves(axes, one)
            axes.set_title(wrapped(one.title, 130 // columns), fontsize=SMALL, pad=_KEY, **PLAIN)
            _draw_key(axes)
        for axes in row[len(curves) :]:
            axes.remove()
    for column in range(columns):
        lowest = max(row for row, curves in enumerate(panels) if column < len(curves))
        grid[lowest, column].set_xlabel(feature, fontsize=SMALL)
        grid[lowest, column].tick_params(labelbottom=True)


def _draw_key(axes: Axes) -> None:
    """Name the curves in a key between title and panel."""
    position: dict[str, Any] = {"loc": "lower center", "bbox_to_anchor": (0.5, 0.96)}
    look: dict[str, Any] = {"frameon": False, "handlelength": 1.2, "columnspacing": 0.8}
    legend = axes.legend(ncols=len(_LOOKS), fontsize=SMALL - 1, **position, **look)
    for text in legend.get_texts():
        text.set_parse_math(False)


def draw_curves(axes: Axes, panel: Curves) -> None:
    """Draw the curves of a panel; feature f is drawn at f + 0.5."""
    if panel.faint is not None:
        x = np.arange(panel.faint.shape[1]) + 0.5
        axes.plot(x, panel.faint.T, color=_FAINT, linewidth=0.7)
    for (name, curve), look in zip(panel.named.items(), _LOOKS, strict=False):
        axes.plot(np.arange(len(curve)) + 0.5, curve, linewidth=1.2, label=wrapped(name), **look)
    axes.set_xlim(0, len(curve))
    axes.tick_params(labelsize=SMALL)
    axes.spines[["top", "right"]].set_visible(False)
