"""The threshold of each class with the best F1, over its share of the labels."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from musicssl.figures.style import COLOURS, GREY, PLAIN, SMALL, save_png, spacious

_ROW_INCHES = 0.16  # height of a name


def draw_threshold_study(
    folder: Path,
    classes: Sequence[str],
    thresholds: NDArray[np.floating],
    shares: NDArray[np.floating],
    correlation: float | None,
) -> Path:
    """Draw a dot for each class, to thresholds.png; section 2.4.2 of Gururani's thesis.

    Args:
        folder: To write to.
        classes: Names of the classes, (C).
        thresholds: With the best F1 on validation clips, (C,).
        shares: Shares of the observed training labels of a class that are present, (C,); NaN for a
            class without any, which is not drawn.
        correlation: Correlation of the two; None if it is not defined.

    Returns:
        The path of the picture.
    """
    known = ~np.isnan(shares)
    height = max(5.0, _ROW_INCHES * int(known.sum()) + 1)
    figure = Figure(figsize=(7, height), layout=spacious())
    axes = figure.subplots()
    text = "not defined" if correlation is None else f"{correlation:.2f}"
    axes.set_title(f"Thresholds with the best F1 on validation clips: r = {text}", **PLAIN)
    top = max(1e-3, float(max(thresholds[known].max(initial=0), shares[known].max(initial=0))))
    axes.plot([0, top], [0, top], color=GREY, linestyle=":", label="threshold = share")
    axes.scatter(shares[known], thresholds[known], 16, color=COLOURS[0])
    # Names stand in a column beside the axes: classes of equal share would cover each other.
    order = np.flatnonzero(known)[np.argsort(thresholds[known], kind="stable")]
    rows = spread(thresholds[order] / (1.02 * top), _ROW_INCHES / (height - 1))
    for index, row in zip(order.tolist(), rows.tolist(), strict=True):
        axes.annotate(
            classes[index],
            (float(shares[index]), float(thresholds[index])),
            (1.03, row),
            textcoords="axes fraction",
            fontsize=SMALL,
            va="center",
            arrowprops={"arrowstyle": "-", "color": "0.8", "linewidth": 0.6},
            **PLAIN,
        )
    axes.set_xlabel("share of the training labels that are present")
    axes.set_ylabel("threshold")
    axes.set_xlim(0, 1.02 * top)
    axes.set_ylim(0, 1.02 * top)
    axes.legend(frameon=False)
    axes.grid(visible=True, color="0.9")
    axes.spines[["top", "right"]].set_visible(False)
    return save_png(folder / "thresholds.png", figure)


def spread(values: NDArray[np.floating], gap: float) -> NDArray[np.floating]:
    """Move values apart, in their order, so that neighbours differ by at least `gap`.

    Args:
        values: Ascending, (N,), at most 1.
        gap: Least difference; there must be room for all values in [0, 1].

    Returns:
        Values in [0, 1], (N,). Values that are far enough apart stay where they are.
    """
    steps = gap * np.arange(len(values))
    moved = np.maximum.accumulate(values - steps) + steps
    kept: NDArray[np.floating] = np.minimum(moved, 1 - steps[::-1])
    return kept
