"""The threshold of each class with the best F1, over its share of the labels."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from musicssl.figures.style import COLOURS, GREY, PLAIN, SMALL, save_png, spacious


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
        shares: Of the observed training labels of a class that are present, (C,); NaN for a class
            without any, which is not drawn.
        correlation: Of the two; None if it is not defined.

    Returns:
        The path of the picture.
    """
    figure = Figure(figsize=(6, 5), layout=spacious())
    axes = figure.subplots()
    text = "not defined" if correlation is None else f"{correlation:.2f}"
    axes.set_title(f"Thresholds with the best F1 on validation clips: r = {text}", **PLAIN)
    known = ~np.isnan(shares)
    top = max(1e-3, float(max(thresholds[known].max(initial=0), shares[known].max(initial=0))))
    axes.plot([0, top], [0, top], color=GREY, linestyle=":", label="threshold = share")
    axes.scatter(shares[known], thresholds[known], 16, color=COLOURS[0])
    for index in np.flatnonzero(known).tolist():
        place = (float(shares[index]), float(thresholds[index]))
        axes.annotate(classes[index], place, (3, 3), textcoords="offset points", fontsize=SMALL)
    axes.set_xlabel("share of the training labels that are present")
    axes.set_ylabel("threshold")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)
    axes.grid(visible=True, color="0.9")
    axes.spines[["top", "right"]].set_visible(False)
    return save_png(folder / "thresholds.png", figure)
