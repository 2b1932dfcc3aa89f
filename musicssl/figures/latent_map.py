"""Clips in two dimensions of a latent space, coloured by an attribute."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from musicssl.figures.style import GREY, PLAIN, SMALL, spacious, title_width, wrapped

_MOST_CLIPS = 2000
_MOST_PANELS = 25
_PANEL_INCHES = 2.7
_COLUMNS = 4
_PALE = "#D0D0D0"

Floats = NDArray[np.floating]


def draw_latent_map(
    names: Sequence[str],
    z: Floats,
    values: Floats,
    mask: NDArray[np.bool_],
    pairs: Sequence[tuple[int, int] | None],
) -> Figure:
    """Draw a panel for each attribute; at most 25, and 2,000 clips, always the same.

    Args:
        names: Names of the attributes, (M).
        z: Latent variables of clips, (N, D).
        values: Their attributes, (N, M).
        mask: True where observed, (N, M); other clips are pale.
        pairs: The dimensions across and up, (M); None for an attribute without a panel.
    """
    rows = np.sort(np.random.default_rng(0).permutation(len(z))[:_MOST_CLIPS])
    z, values, mask = z[rows], values[rows], mask[rows]
    shown = [i for i, pair in enumerate(pairs) if pair is not None][:_MOST_PANELS]
    columns = min(max(len(shown), 1), _COLUMNS)
    lines = max(-(-len(shown) // columns), 1)
    size = (max(_PANEL_INCHES * columns, 5), 1 + 0.9 * _PANEL_INCHES * lines)
    figure = Figure(figsize=size, layout=spacious())
    head = "Clips by the dimension of an attribute and the one that tells next most about it"
    figure.suptitle(wrapped(head, title_width(figure)), fontsize=SMALL + 2, **PLAIN)
    panels = list(figure.subplots(lines, columns, squeeze=False).flat)
    for axes in panels[len(shown) :]:
        axes.remove()
    for axes, i in zip(panels, shown, strict=False):
        pair = pairs[i]
        assert pair is not None
        _draw(figure, axes, z[:, list(pair)], values[:, i], mask[:, i])
        axes.set_title(wrapped(names[i]), fontsize=SMALL + 1, **PLAIN)
        axes.set_xlabel(f"dimension {pair[0]}", fontsize=SMALL)
        axes.set_ylabel(f"dimension {pair[1]}", fontsize=SMALL)
    return figure


def _draw(
    figure: Figure, axes: Axes, points: Floats, values: Floats, seen: NDArray[np.bool_]
) -> None:
    across, up = points.T
    axes.scatter(across[~seen], up[~seen], 5, color=_PALE, linewidths=0)
    image = axes.scatter(across[seen], up[seen], 7, c=values[seen], cmap="viridis", linewidths=0)
    bar = figure.colorbar(image, ax=axes, shrink=0.8)
    if (values[seen] == np.rint(values[seen])).all():
        bar.locator = MaxNLocator(nbins=6, integer=True)
    bar.ax.tick_params(labelsize=SMALL - 1)
    axes.tick_params(labelsize=SMALL - 1)
    axes.spines[:].set_color(GREY)
