"""Predictions over targets, a dot for each clip."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from musicssl.figures.style import COLOURS, GREY, PLAIN, SMALL, spacious, title_width, wrapped

_COLUMNS = 3
_PANEL_INCHES = 3.2


def draw_scatter(
    names: Sequence[str],
    targets: NDArray[np.floating],
    predictions: NDArray[np.floating],
    title: str,
) -> Figure:
    """Draw a panel for each target of a regression: predictions over targets, a dot for each clip.

    Args:
        names: Names of the targets, (C).
        targets: (N, C); NaN is left out.
        predictions: (N, C).
        title: Above the picture.
    """
    columns = min(len(names), _COLUMNS)
    rows = -(-len(names) // columns)
    size = (_PANEL_INCHES * max(columns, 2), 0.6 + _PANEL_INCHES * rows)
    figure = Figure(figsize=size, layout=spacious())
    figure.suptitle(wrapped(title, title_width(figure)), **PLAIN)
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes, name, truth, guess in zip(panels, names, targets.T, predictions.T, strict=False):
        observed = ~np.isnan(truth)
        axes.scatter(truth[observed], guess[observed], 9, color=COLOURS[0], alpha=0.5, linewidths=0)
        if observed.any():
            ends = _ends(truth[observed], guess[observed])
            axes.plot(ends, ends, color=GREY, linestyle=":", label="no error")
            axes.set(xlim=ends, ylim=ends, aspect="equal")
            axes.legend(frameon=False, fontsize=SMALL, loc="upper left")
        axes.set_title(wrapped(name), **PLAIN)
        axes.set_xlabel("target")
        axes.set_ylabel("prediction")
        axes.spines[["top", "right"]].set_visible(False)
    for axes in panels[len(names) :]:
        axes.remove()
    return figure


def _ends(truth: NDArray[np.floating], guess: NDArray[np.floating]) -> tuple[float, float]:
    """Return one range for both axes, so that flat predictions look flat."""
    values = np.concatenate([truth, guess])
    low, high = float(values.min()), float(values.max())
    margin = max((high - low) / 20, 1e-6)
    return low - margin, high + margin
