"""Pictures of a generative model: reconstructions, effects of classes, samples, traversals."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure, SubFigure
from matplotlib.image import AxesImage

from musicssl.figures.feature_axis import Floats, Part
from musicssl.figures.feature_curves import Curves, draw_curves, draw_panels
from musicssl.figures.style import PLAIN, SMALL, spacious, title_width, wrapped

_WIDTH = 10.0  # inches
_CLIP_INCHES = 1.7
_CLASS_INCHES = 0.2
_PANEL_INCHES = 2.3
_TRAVERSAL_INCHES = 1.15

Extent = tuple[float, float, float, float]


def draw_reconstructions(
    titles: Sequence[str],
    observed: Sequence[Part],
    decoded: Sequence[Part],
    feature: str,
    head: str,
) -> Figure:
    """Draw a row for each clip with each part of its features, observed and reconstructed.

    Args:
        titles: Titles of the rows, (N,).
        observed: Parts of (N, F).
        decoded: The same.
        feature: Label of the axis along the features.
        head: Above the picture.
    """
    figure = _figure(1.0 + _CLIP_INCHES * len(titles), head)
    grid = figure.subplots(len(titles), len(observed), sharex=True, sharey="col", squeeze=False)
    for row, (line, title) in enumerate(zip(grid, titles, strict=True)):
        for axes, part, decoded_part in zip(line, observed, decoded, strict=True):
            curves = {"observed": part.values[row], "reconstructed": decoded_part.values[row]}
            draw_curves(axes, Curves("", curves))
            axes.set_ylabel(f"{wrapped(part.name, 20)}\n({part.value})", fontsize=SMALL)
        _title_row(line, title)
    for axes in grid[-1]:
        axes.set_xlabel(feature, fontsize=SMALL)
    handles = grid[0, 0].get_legend_handles_labels()[0]
    look: dict[str, Any] = {"loc": "outside lower center", "ncols": 2, "frameon": False}
    figure.legend(handles=handles, fontsize=SMALL, **look)
    return figure


def draw_image_reconstructions(
    titles: Sequence[str], observed: Floats, decoded: Floats, feature: str, value: str, head: str
) -> Figure:
    """Draw a row for each clip: its instances, and their reconstruction beside them.

    Args:
        titles: Titles of the rows, (N,).
        observed: (N, T, F).
        decoded: (N, T, F).
        feature: Label of the axis along the features.
        value: Unit of the values.
        head: Above the picture.
    """
    figure = _figure(1.0 + _CLIP_INCHES * len(titles), head)
    grid = figure.subplots(len(titles), 2, sharex=True, sharey=True, squeeze=False)
    norm = Normalize(float(observed.min()), float(observed.max()))
    extent: Extent = (0, observed.shape[1], 0, observed.shape[2])
    for row, (line, title) in enumerate(zip(grid, titles, strict=True)):
        for axes, instances in zip(line, (observed[row], decoded[row]), strict=True):
            image = _heat(axes, instances.T[::-1], "magma", norm, extent)  # low features below
        line[0].set_ylabel(wrapped(feature), fontsize=SMALL)
        _title_row(line, title)
    for axes, name in zip(grid[-1], ("observed", "reconstructed"), strict=True):
        axes.set_xlabel(f"instance\n{name}", fontsize=SMALL)
    _bar(figure, image, list(grid.flat), value)
    return figure


def draw_classes(
    classes: Sequence[str],
    added: Sequence[Part],
    panels: Sequence[Sequence[Curves]],
    feature: str,
    value: str,
    head: str,
) -> Figure:
    """Draw what each class adds to the features, and beneath it rows of panels of curves.

    Args:
        classes: Names, (C).
        added: Parts of differences, (C, F).
        panels: See `draw_panels`.
        feature: Label of the axis along the features.
        value: Unit of the values of the curves.
        head: Above the picture.
    """
    heights = 1.2 + _CLASS_INCHES * len(classes), _PANEL_INCHES * len(panels)
    figure = _figure(sum(heights), head)
    top, bottom = figure.subfigures(2, 1, height_ratios=heights, squeeze=False)[:, 0]
    [line] = top.subplots(1, len(added), sharey=True, squeeze=False)
    for axes, part in zip(line, added, strict=True):
        extent = (0, part.values.shape[1], len(classes) - 0.5, -0.5)
        image = _diverging(axes, part.values, extent, part.values)
        axes.set_title(part.name, fontsize=SMALL + 1, **PLAIN)
        axes.set_xlabel(feature, fontsize=SMALL)
        _bar(top, image, [axes], part.value)
    names = [wrapped(name) for name in classes]
    line[0].set_yticks(range(len(classes)), names, fontsize=SMALL, **PLAIN)
    draw_panels(bottom, panels, feature, value)
    return figure


def draw_samples(panels: Sequence[Sequence[Curves]], feature: str, value: str, head: str) -> Figure:
    """Draw rows of panels of curves; see `draw_panels`."""
    figure = _figure(0.8 + _PANEL_INCHES * len(panels), head)
    draw_panels(figure, panels, feature, value)
    return figure


def draw_traversals(
    names: Sequence[str], steps: Floats, moved: Sequence[Part], feature: str, head: str
) -> Figure:
    """Draw a row for each latent variable: how the features change with it.

    Args:
        names: Names of the latent variables, (K,).
        steps: Where they were put, (S,), equally spaced and ascending.
        moved: Parts of differences, (K, S, F).
        feature: Label of the axis along the features.
        head: Above the picture.
    """
    figure = _figure(1.2 + _TRAVERSAL_INCHES * len(names), head)
    grid = figure.subplots(len(names), len(moved), sharex=True, sharey=True, squeeze=False)
    half = float(steps[1] - steps[0]) / 2
    for column, part in zip(grid.T, moved, strict=True):
        extent = (0, part.values.shape[-1], steps[0] - half, steps[-1] + half)
        for axes, values in zip(column, part.values, strict=True):
            image = _diverging(axes, values[::-1], extent, part.values)  # the least step below
        column[0].set_title(part.name, fontsize=SMALL + 1, **PLAIN)
        column[-1].set_xlabel(feature, fontsize=SMALL)
        _bar(figure, image, list(column), part.value)
    for axes, name in zip(grid[:, 0], names, strict=True):
        axes.set_ylabel(name, fontsize=SMALL)
    return figure


def _figure(height: float, head: str) -> Figure:
    figure = Figure(figsize=(_WIDTH, height), layout=spacious())
    figure.suptitle(wrapped(head, title_width(figure)), fontsize=SMALL + 2, **PLAIN)
    return figure


def _diverging(axes: Axes, values: Floats, extent: Extent, scale: Floats) -> AxesImage:
    """Draw values so that 0 is white, and the greatest of `scale` either way has full colour."""
    limit = float(np.abs(scale).max()) or 1.0
    return _heat(axes, values, "RdBu_r", Normalize(-limit, limit), extent)


def _heat(axes: Axes, values: Floats, colours: str, norm: Normalize, extent: Extent) -> AxesImage:
    axes.tick_params(labelsize=SMALL)
    return axes.imshow(
        values, colours, norm=norm, extent=extent, aspect="auto", interpolation="nearest"
    )


def _bar(figure: Figure | SubFigure, image: AxesImage, beside: Sequence[Axes], label: str) -> None:
    bar = figure.colorbar(image, ax=beside, pad=0.015, aspect=30)
    bar.set_label(label, fontsize=SMALL)
    bar.ax.tick_params(labelsize=SMALL - 1)


def _title_row(row: Sequence[Axes], title: str) -> None:
    row[0].set_title(wrapped(title, 140), loc="left", fontsize=SMALL, **PLAIN)
