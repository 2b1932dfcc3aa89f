"""Maps of embeddings in two dimensions: do clips of one class lie together?"""

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from musicssl.errors import InputError
from musicssl.evaluation.tasks import task_named
from musicssl.figures.style import COLOURS, GREY, PLAIN, SMALL, looks, save_png, spacious, wrapped

LAYOUTS = ("pca", "tsne", "umap")
FEWEST = 4  # clips of a map


class Projection2D(NamedTuple):
    """Embeddings of clips in two dimensions.

    Attributes:
        points: (N, 2).
        remark: How to read distances between them, for a title.
    """

    points: NDArray[np.floating]
    remark: str


def check_layout(method: str | None) -> None:
    """Make sure that a layout exists, or that no map is asked for.

    Raises:
        InputError: If there is no such layout, or umap-learn is missing.
    """
    if method is not None and method not in LAYOUTS:
        raise InputError(
            f"there is no map {method!r}; embedding_map is one of {', '.join(LAYOUTS)}, or null."
        )
    if method == "umap" and find_spec("umap") is None:
        raise InputError(
            "embedding_map=umap needs umap-learn; pip install umap-learn, or choose pca or tsne."
        )


def project(h: NDArray[np.floating], method: str = "pca") -> Projection2D:
    """Project embeddings to two dimensions; features are standardised first.

    Args:
        h: Embeddings of 4 clips or more, (N, D).
        method: "pca": the two directions of greatest variance. "tsne" or "umap": keep neighbours
            together; large distances have no meaning.

    Raises:
        InputError: If there are fewer clips, there is no such method, or umap-learn is missing.
    """
    from sklearn.manifold import TSNE  # takes half a second, which training need not wait for
    from sklearn.preprocessing import StandardScaler

    check_layout(method)
    if len(h) < FEWEST:
        raise InputError(
            f"a map needs {FEWEST} clips or more, got {len(h)}; set embedding_map=null."
        )
    z = StandardScaler().fit_transform(np.asarray(h, np.float64))
    if not z.any():
        return Projection2D(np.zeros((len(h), 2)), "all embeddings are alike")
    if method == "pca":
        return _principal(z)
    if method == "tsne":
        perplexity = min(30, (len(h) - 1) / 3)
        tsne = TSNE(perplexity=perplexity, init="pca", random_state=0)
        return Projection2D(tsne.fit_transform(z), "t-SNE: only neighbourhoods mean something")
    return Projection2D(_umap(z), "UMAP: only neighbourhoods mean something")


def _principal(z: NDArray[np.float64]) -> Projection2D:
    from sklearn.decomposition import PCA

    pca = PCA(min(2, z.shape[1]), svd_solver="full").fit(z)
    points = pca.transform(z)
    points = np.pad(points, ((0, 0), (0, 2 - points.shape[1])))
    share = 100 * pca.explained_variance_ratio_.sum()
    return Projection2D(points, f"PCA: {share:.0f} % of the variance of standardised embeddings")


def _umap(z: NDArray[np.float64]) -> NDArray[np.floating]:
    umap = import_module("umap")
    points: NDArray[np.floating] = umap.UMAP(random_state=0, n_jobs=1).fit_transform(z)
    return points


_MOST_CLIPS = 2000
_MOST_COLOURS = 20  # classes in one panel
_MOST_PANELS = 50
_ENTRY_INCHES = 0.36  # of a legend, for a name in two lines
_PALE = "#D0D0D0"

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]


def draw_embedding_map(
    folder: Path,
    h: Floats,
    y: Floats,
    mask: Bools,
    classes: Sequence[str],
    task: str,
    method: str = "pca",
) -> Path:
    """Write a map of clips, coloured by their targets, to embedding_map.png.

    There is a panel for each class, or for each target of a regression; if each clip has one class,
    a single panel shows all classes. At most 2,000 clips are drawn, always the same.

    Args:
        folder: To write to.
        h: Embeddings, (N, D).
        y: Targets, (N, C); without meaning where `mask` is False.
        mask: True where observed, (N, C).
        classes: Names, (C).
        task: Name of the kind of targets; see `musicssl.data.corpus.Corpus`.
        method: See `project`.

    Returns:
        The path of the picture.

    Raises:
        InputError: See `project`.
    """
    rows = np.sort(np.random.default_rng(0).permutation(len(h))[:_MOST_CLIPS])
    projection, y, mask = project(h[rows], method), y[rows], mask[rows]
    kind = task_named(task)
    if not kind.has_classes:
        figure = value_maps(projection, y, mask, classes)
    elif kind.one_class_per_clip:
        figure = class_map(projection, y, mask, classes)
    else:
        figure = label_maps(projection, y, mask, classes)
    return save_png(folder / "embedding_map.png", figure)


def class_map(projection: Projection2D, y: Floats, mask: Bools, classes: Sequence[str]) -> Figure:
    """Draw all clips in one panel, each in the look of its class; the most frequent 20 have one."""
    labelled = mask.all(axis=1)
    class_of = np.where(labelled, np.where(mask, y, 0).argmax(axis=1), -1)
    counts = np.bincount(class_of[labelled], minlength=len(classes))
    frequent = _most_frequent(counts, _MOST_COLOURS)
    frequent = frequent[counts[frequent] > 0]
    figure = Figure(figsize=(9, max(6.2, 0.5 + _ENTRY_INCHES * len(frequent))), layout=spacious())
    axes = figure.subplots()
    rest = ~np.isin(class_of, frequent)
    if rest.any():
        name = "no label" if not (rest & labelled).any() else "other or no label"
        _dots(axes, projection, rest, _PALE, label=f"{name} ({rest.sum():,})")
    for c, look in zip(frequent, looks(len(frequent)), strict=True):
        label = wrapped(f"{classes[c]} ({counts[c]:,})")
        _dots(axes, projection, class_of == c, look.colour, 22, look.marker, label)
    _frame(axes)
    axes.set_title(_title(projection, figure, len(frequent), int((counts > 0).sum())), **PLAIN)
    legend = figure.legend(loc="outside right upper", frameon=False, fontsize=SMALL)
    for text in legend.get_texts():
        text.set_parse_math(False)
    return figure


def label_maps(projection: Projection2D, y: Floats, mask: Bools, classes: Sequence[str]) -> Figure:
    """Draw a panel for each class: present over absent over not observed; at most 50."""
    present = mask & (y >= 0.5)
    frequent = _most_frequent(present.sum(axis=0), _MOST_PANELS)
    figure, panels = _grid(len(frequent), 1.75 if len(frequent) > 6 else 2.8)
    for axes, c in zip(panels, frequent, strict=True):
        absent = mask[:, c] & ~present[:, c]
        _dots(axes, projection, ~mask[:, c], _PALE, 3, label="not observed")
        _dots(axes, projection, absent, GREY, 4, label="absent")
        _dots(axes, projection, present[:, c], COLOURS[0], 7, label="present")
        _name(axes, f"{classes[c]} ({present[:, c].sum():,})")
        _frame(axes)
    figure.suptitle(_title(projection, figure, len(frequent), len(classes)), **PLAIN)
    handles = panels[0].get_legend_handles_labels()[0][::-1]
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=3,
        frameon=False,
        fontsize=SMALL,
        markerscale=2,
    )
    return figure


def value_maps(projection: Projection2D, y: Floats, mask: Bools, classes: Sequence[str]) -> Figure:
    """Draw a panel for each target, coloured by its values; pale where not observed."""
    figure, panels = _grid(len(classes), 3.6)
    for axes, c in zip(panels, range(len(classes)), strict=True):
        seen = mask[:, c]
        _dots(axes, projection, ~seen, _PALE, 6)
        across, up = projection.points[seen].T
        image = axes.scatter(across, up, 10, c=y[seen, c], cmap="viridis", linewidths=0)
        figure.colorbar(image, ax=axes, shrink=0.65)
        _name(axes, classes[c])
        _frame(axes)
    figure.suptitle(_title(projection, figure, len(classes), len(classes)), **PLAIN)
    return figure


def _most_frequent(counts: NDArray[np.integer], most: int) -> NDArray[np.int64]:
    """Return the classes that occur most often, in the order of the classes."""
    order = np.argsort(-counts, kind="stable")[:most]
    return np.sort(order)


def _grid(count: int, inches: float) -> tuple[Figure, list[Axes]]:
    """Return a figure with `count` square panels, each `inches` wide."""
    columns = min(count, 5 if count <= 25 else 10)
    rows = -(-count // columns)
    size = (max(inches * columns, 5), 1 + inches * 1.1 * rows)
    figure = Figure(figsize=size, layout=spacious())
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes in panels[count:]:
        axes.remove()
    return figure, panels[:count]


def _dots(
    axes: Axes,
    projection: Projection2D,
    clips: Bools,
    colour: str,
    size: float = 10,
    marker: str = "o",
    label: str | None = None,
) -> None:
    x, y = projection.points[clips].T
    axes.scatter(x, y, size, color=colour, marker=marker, alpha=0.7, linewidths=0, label=label)


def _name(axes: Axes, name: str) -> None:
    axes.set_title(wrapped(name), fontsize=SMALL, **PLAIN)


def _frame(axes: Axes) -> None:
    axes.set(xticks=[], yticks=[])  # the directions have no meaning of their own
    axes.set_box_aspect(1)
    axes.spines[:].set_color(GREY)


def _title(projection: Projection2D, figure: Figure, num_shown: int, num_classes: int) -> str:
    lines = [f"Embeddings of {len(projection.points):,} clips", projection.remark]
    if num_shown < num_classes:
        lines.append(f"the {num_shown} most frequent of {num_classes} classes")
    width = int(8 * figure.get_figwidth())  # letters, with room for a legend
    return "\n".join(wrapped(line, width) for line in lines)
