"""Spectrograms side by side: what a network makes of notes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from musicssl.figures.feature_axis import FeatureAxis
from musicssl.figures.style import PLAIN, SMALL, spacious, title_width, wrapped

_INCHES = 1.45  # of a spectrogram, in either direction

Floats = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class SpectrogramPanel:
    """A spectrogram.

    Attributes:
        title: Above it.
        frames: (K, F), in the units of the features.
    """

    title: str
    frames: Floats


def draw_spectrograms(
    rows: Sequence[Sequence[SpectrogramPanel]],
    axis: FeatureAxis,
    head: str,
    hop_seconds: float | None = None,
) -> Figure:
    """Draw rows of spectrograms, all with the same colours.

    Args:
        rows: One row or more, each of one panel or more.
        axis: Names and units of the features.
        head: Above the picture.
        hop_seconds: Time between two frames, in seconds; None for frames as the unit of time.
    """
    columns = max(len(row) for row in rows)
    size = (max(6.0, 1.2 + _INCHES * columns), 1.0 + (_INCHES + 0.2) * len(rows))
    figure = Figure(figsize=size, layout=spacious())
    figure.suptitle(wrapped(head, title_width(figure)), fontsize=SMALL + 2, **PLAIN)
    grid = figure.subplots(len(rows), columns, squeeze=False, sharex=True, sharey=True)
    values = [axis.scale * panel.frames + axis.offset for row in rows for panel in row]
    low, high = min(v.min() for v in values), max(v.max() for v in values)
    shown = iter(values)
    for line, row in zip(grid, rows, strict=True):
        for axes in line[len(row) :]:
            axes.set_visible(False)
        for axes, panel in zip(line, row, strict=False):
            frames = next(shown)
            end = len(frames) if hop_seconds is None else len(frames) * hop_seconds
            image = axes.imshow(
                frames.T,
                origin="lower",
                aspect="auto",
                interpolation="nearest",
                extent=(0, end, 0, frames.shape[1]),
                vmin=low,
                vmax=high,
                cmap="magma",
            )
            axes.set_title(wrapped(panel.title, 22), fontsize=SMALL - 1, **PLAIN)
            axes.tick_params(labelsize=SMALL - 2)
    figure.supxlabel("frame" if hop_seconds is None else "time in s", fontsize=SMALL)
    figure.supylabel(axis.all_features, fontsize=SMALL)
    bar = figure.colorbar(image, ax=grid, pad=0.015, aspect=30)
    bar.set_label(axis.value, fontsize=SMALL)
    bar.ax.tick_params(labelsize=SMALL - 2)
    return figure
