"""Curves: how a training went."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from musicssl.errors import InputError
from musicssl.figures.style import COLOURS, GREY, PLAIN, spacious, wrapped

Curve = tuple[Sequence[float], Sequence[float]]


def draw_training_curves(
    history: Mapping[str, Curve], title: str, best_epoch: int | None = None, unit: str = "epoch"
) -> Figure:
    """Draw the course of a training: losses above, metrics beneath.

    Args:
        history: (epochs, values) by name; one that ends in "loss" or "cross_entropy" goes to the
            upper panel.
        title: Above the picture.
        best_epoch: Where to draw a vertical line: the epoch whose weights were kept.
        unit: What the first of each pair counts, and so does `best_epoch`.

    Raises:
        InputError: If there is nothing to draw.
    """
    panels = _panels(history)
    if not panels:
        raise InputError("there are no curves to draw; train for at least one epoch.")
    figure = Figure(figsize=(8, 0.8 + 2.6 * len(panels)), layout=spacious())
    figure.suptitle(wrapped(title, 80), **PLAIN)
    rows = figure.subplots(len(panels), sharex=True, squeeze=False)[:, 0]
    for axes, (label, curves) in zip(rows, panels.items(), strict=True):
        _draw_panel(axes, label, curves, best_epoch, unit)
    rows[-1].set_xlabel(unit)
    rows[-1].xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    steps = [step for curve, _ in history.values() for step in curve]
    rows[-1].set_xlim(min(steps) - 0.5, max(steps) + 0.5)  # a single epoch has no width of its own
    return figure


def _panels(history: Mapping[str, Curve]) -> dict[str, dict[str, Curve]]:
    panels: dict[str, dict[str, Curve]] = {"loss": {}, "metric": {}}
    for name, curve in history.items():
        if len(curve[0]):
            panels["loss" if name.endswith(("loss", "cross_entropy")) else "metric"][name] = curve
    return {label: curves for label, curves in panels.items() if curves}


def _draw_panel(
    axes: Axes, label: str, curves: Mapping[str, Curve], best_epoch: int | None, unit: str
) -> None:
    for number, (name, (steps, values)) in enumerate(curves.items()):
        colour = COLOURS[number % len(COLOURS)]
        line = "-" if number < len(COLOURS) else "--"
        axes.plot(steps, values, line, color=colour, marker="o", markersize=2.5, label=name)
    if best_epoch is not None:
        text = f"kept {unit}: {best_epoch}"
        axes.axvline(best_epoch, color=GREY, linestyle=":", zorder=0, label=text)
    axes.set_ylabel(label)
    axes.grid(visible=True, color="0.9")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.02), frameon=False)
