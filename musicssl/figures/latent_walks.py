"""Walks along latent dimensions: melodies as piano rolls or features as heat maps, attributes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from musicssl.data.melodies import notes_of
from musicssl.figures.style import COLOURS, GREY, PLAIN, SMALL, spacious, title_width, wrapped

_WIDTH = 10.0  # inches
_ROLL_INCHES, _COURSE_INCHES = 1.15, 0.6
_FEATURES_INCHES = 1.3

Floats = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class WalkPanel:
    """A walk along one dimension.

    Attributes:
        attribute: Name.
        dimension: Its number.
        places: Equally spaced values of the dimension, (S,).
        content: Pitches of melodies, (S, T), see `musicssl.data.melodies`; or features, (S, F).
        course: The attribute of each, (S,); all NaN if nothing knows it.
    """

    attribute: str
    dimension: int
    places: Floats
    content: NDArray[Any]
    course: Floats

    @property
    def title(self) -> str:
        """What the panel shows."""
        return f"{self.attribute}: dimension {self.dimension}"


def draw_melody_walks(walks: Sequence[WalkPanel], head: str) -> Figure:
    """Draw for each walk its melodies side by side, and below each melody its attribute.

    Args:
        walks: One or more; their melodies have the same number of ticks.
        head: Above the picture.
    """
    pitches = np.concatenate([np.ravel(walk.content) for walk in walks])
    pitches = pitches[pitches >= 0]
    low, high = (int(pitches.min()), int(pitches.max())) if len(pitches) else (60, 72)
    figure = _figure(0.9 + (_ROLL_INCHES + _COURSE_INCHES) * len(walks), head)
    heights = [_ROLL_INCHES, _COURSE_INCHES] * len(walks)
    grid = figure.subplots(2 * len(walks), 1, height_ratios=heights, squeeze=False)[:, 0]
    for walk, roll, below in zip(walks, grid[::2], grid[1::2], strict=True):
        ticks = walk.content.shape[1]
        _draw_rolls(roll, walk.content, max(1.0, (high - low) / 25))
        roll.set_ylim(low - 1, high + 2)
        roll.set_ylabel("MIDI pitch", fontsize=SMALL - 1)
        roll.set_title(wrapped(walk.title, 100), loc="left", fontsize=SMALL, **PLAIN)
        centres = ticks * (np.arange(len(walk.places)) + 0.5)
        _draw_course(below, centres, walk.course)
        for axes in (roll, below):
            axes.set_xlim(0, ticks * len(walk.places))
            axes.tick_params(labelsize=SMALL - 1)
        roll.set_xticks([])
        below.set_xticks(centres, [f"{place:.2g}" for place in walk.places])
    grid[-1].set_xlabel("value of the latent dimension", fontsize=SMALL)
    return figure


def draw_feature_walks(walks: Sequence[WalkPanel], feature: str, value: str, head: str) -> Figure:
    """Draw for each walk how features differ from those of its middle, and its attribute.

    Args:
        walks: One or more.
        feature: Label of the axis along the features.
        value: Unit of their differences.
        head: Above the picture.
    """
    has_course = any(not np.isnan(walk.course).all() for walk in walks)
    figure = _figure(1.1 + _FEATURES_INCHES * len(walks), head)
    shares = [5, 1] if has_course else [1]
    grid = figure.subplots(len(walks), len(shares), width_ratios=shares, squeeze=False)
    moved = [_from_middle(walk.content) for walk in walks]
    limit = max(float(np.abs(difference).max()) for difference in moved) or 1.0
    for line, walk, difference in zip(grid, walks, moved, strict=True):
        half = float(walk.places[1] - walk.places[0]) / 2 or 0.5
        extent = (0, difference.shape[1], walk.places[0] - half, walk.places[-1] + half)
        image = line[0].imshow(
            difference,
            cmap="RdBu_r",
            vmin=-limit,
            vmax=limit,
            origin="lower",
            aspect="auto",
            interpolation="nearest",
            extent=extent,
        )
        line[0].set_title(wrapped(walk.title, 100), loc="left", fontsize=SMALL, **PLAIN)
        line[0].set_ylabel("its value", fontsize=SMALL)
        if has_course:
            line[1].plot(walk.course, walk.places, color=COLOURS[0], marker="o", markersize=2.5)
            line[1].set_ylim(*extent[2:])
        for axes in line:
            axes.tick_params(labelsize=SMALL - 1)
    grid[-1, 0].set_xlabel(feature, fontsize=SMALL)
    if has_course:
        grid[-1, 1].set_xlabel("attribute", fontsize=SMALL)
    bar = figure.colorbar(image, ax=list(grid[:, 0]), pad=0.015, aspect=30)
    bar.set_label(value, fontsize=SMALL)
    bar.ax.tick_params(labelsize=SMALL - 1)
    return figure


def _draw_rolls(axes: Axes, melodies: NDArray[Any], height: float) -> None:
    """Draw melodies, (S, T), side by side, each note so many semitones high."""
    ticks = melodies.shape[1]
    notes = [
        Rectangle((number * ticks + start, pitch - height / 2), length - 0.15, height)
        for number, melody in enumerate(melodies)
        for start, length, pitch in notes_of(melody)
    ]
    axes.add_collection(PatchCollection(notes, facecolor=COLOURS[0], linewidth=0))
    for number in range(1, len(melodies)):
        axes.axvline(number * ticks, color=GREY, linewidth=0.6)


def _draw_course(axes: Axes, centres: Floats, course: Floats) -> None:
    if np.isnan(course).all():
        text = "no melody on this walk has the attribute"
        axes.text(
            0.5, 0.5, text, transform=axes.transAxes, fontsize=SMALL, ha="center", va="center"
        )
        axes.set_yticks([])
        return
    axes.plot(centres, course, color=COLOURS[5], marker="o", markersize=3, linewidth=1)
    axes.margins(y=0.2)
    axes.spines[["top", "right"]].set_visible(False)


def _from_middle(features: NDArray[Any]) -> Floats:
    values = np.asarray(features, np.float64)
    difference: Floats = values - values[len(values) // 2]
    return difference


def _figure(height: float, head: str) -> Figure:
    figure = Figure(figsize=(_WIDTH, height), layout=spacious())
    figure.suptitle(wrapped(head, title_width(figure)), fontsize=SMALL + 2, **PLAIN)
    return figure
