"""A value of each layer of an encoder: a metric of its probe, or its weight in a mean."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from musicssl.figures.style import GREY, PLAIN, SMALL, looks, spacious, wrapped

_INCHES = 0.42  # for a layer
_LONG = 3  # characters of a name, from which on names are turned


def draw_layers(
    names: Sequence[str],
    curves: Mapping[str, Sequence[float]],
    heading: str,
    title: str,
    chosen: Mapping[str, Sequence[int]] | None = None,
    reference: tuple[float, str] | None = None,
) -> Figure:
    """Draw a curve over the layers for each fraction of labels.

    Args:
        names: Names of the layers, (L,).
        curves: A value of each layer, (L,), by the name of the curve.
        heading: Heading of the values.
        title: Above the picture.
        chosen: How many draws chose each layer, (L,), by the name of the curve; chosen layers get
            a ring.
        reference: A value to mark across the picture, and what reaches it, such as chance.
    """
    width = min(max(5.5, 2.5 + _INCHES * len(names)), 16)
    figure = Figure(figsize=(width, 4.2), layout=spacious())
    axes = figure.subplots()
    axes.set_title(wrapped(title, 60), loc="left", **PLAIN)
    layers = range(len(names))
    for (name, values), look in zip(curves.items(), looks(len(curves)), strict=True):
        axes.plot(
            layers,
            values,
            color=look.colour,
            marker=look.marker,
            linestyle=look.line,
            markersize=4.5,
            linewidth=1.5,
            label=wrapped(name),
        )
        if chosen is not None:
            _draw_rings(axes, values, chosen[name], look.colour)
    if reference is not None:
        value, name = reference
        axes.axhline(value, color=GREY, linestyle=":", linewidth=1.2, label=name)
    turned = 60 if max(map(len, names)) > _LONG else 0
    axes.set_xticks(layers, [wrapped(name) for name in names], rotation=turned, fontsize=SMALL)
    axes.set_xlabel("layer; a ring: chosen on validation" if chosen is not None else "layer")
    axes.set_ylabel(heading, **PLAIN)
    axes.grid(visible=True, color="0.9")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    legend = figure.legend(loc="outside right center", frameon=False)
    for text in legend.get_texts():
        text.set_parse_math(False)
    return figure


def _draw_rings(axes: Axes, values: Sequence[float], chosen: Sequence[int], colour: str) -> None:
    rings = [layer for layer, draws in enumerate(chosen) if draws]
    axes.scatter(
        rings,
        [values[layer] for layer in rings],
        110,
        facecolors="none",
        edgecolors=colour,
        zorder=3,
    )
