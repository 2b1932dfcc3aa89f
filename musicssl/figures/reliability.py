"""The reliability diagram: how often classes are present, over what their probability was."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from musicssl.evaluation.decisions import Reliability
from musicssl.figures.style import COLOURS, GREY, PLAIN, save_png, spacious


def draw_reliability(folder: Path, curves: Mapping[str, Reliability]) -> Path:
    """Draw one or several sets of probabilities of the same clips, to reliability.png.

    Args:
        folder: To write to.
        curves: By what tells them apart, such as "as predicted" and "calibrated".

    Returns:
        The path of the picture.
    """
    return save_png(folder / "reliability.png", reliability_diagram(curves))


def reliability_diagram(curves: Mapping[str, Reliability]) -> Figure:
    """Draw the share of present classes over their mean probability; below, cells in each bin."""
    figure = Figure(figsize=(5.5, 5.5), layout=spacious())
    above, below = figure.subplots(2, sharex=True, height_ratios=[3, 1])
    figure.suptitle("Are the probabilities right? Test clips, all classes", **PLAIN)
    above.plot([0, 1], [0, 1], color=GREY, linestyle=":", zorder=0)
    for colour, (name, curve) in zip(COLOURS, curves.items(), strict=False):
        known = curve.counts > 0
        label = f"{name}, mean error {curve.error:.3f}"
        x, y = curve.predicted[known], curve.observed[known]
        above.plot(x, y, color=colour, marker="o", markersize=4, label=label)
        edges = np.linspace(0, 1, len(curve.counts) + 1)
        below.stairs(curve.counts, edges, color=colour)
    above.set_ylabel("share present")
    above.set_ylim(0, 1)
    above.legend(frameon=False, loc="upper left")
    below.set_ylabel("cells")
    below.set_yscale("symlog", linthresh=10)
    below.set_xlabel("probability")
    below.set_xlim(0, 1)
    for axes in (above, below):
        axes.grid(visible=True, color="0.9")
        axes.spines[["top", "right"]].set_visible(False)
    return figure
