"""Small multiples: a metric over the severity of each corruption of sound."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from musicssl.evaluation.metrics import metric_info
from musicssl.evaluation.robustness_table import Robustness
from musicssl.figures.style import PLAIN, SMALL, Look, looks, save_png, spacious, wrapped

_COLUMNS = 5
_PANEL_INCHES = 1.9
_MEAN = "mean of all"


def draw_robustness_curves(folder: Path, tables: Mapping[str, Robustness], metric: str) -> Path:
    """Draw a metric of one or several methods under corruptions, to robustness.png.

    Args:
        folder: To write to.
        tables: By the name of the method, all of the same corruptions and severities.
        metric: Metric of the tables, such as "auroc".

    Returns:
        The path of the picture.
    """
    return save_png(folder / "robustness.png", robustness_curves(tables, metric))


def robustness_curves(tables: Mapping[str, Robustness], metric: str) -> Figure:
    """Draw the mean over all corruptions, and a panel for each, the one that harms most first.

    Dashed is each method's metric of clean clips.
    """
    names = most_harmful_first(list(tables.values()), metric)
    names = [_MEAN, *names] if len(names) > 1 else names
    rows = -(-len(names) // _COLUMNS)
    columns = min(len(names), _COLUMNS)
    size = (max(0.9 + _PANEL_INCHES * columns, 5), 1.3 + _PANEL_INCHES * rows)
    figure = Figure(figsize=size, layout=spacious())
    panels = list(figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).flat)
    for axes, name in zip(panels, names, strict=False):
        for (method, table), look in zip(tables.items(), looks(len(tables)), strict=True):
            mean = name == _MEAN
            curve = table.mean_curve(metric) if mean else table.curve(name, metric)
            _draw_method(axes, table, curve, metric, look, method)
        axes.set_title(wrapped(name.replace("_", " ")), fontsize=SMALL + 1, **PLAIN)
        axes.set_xticks([0, *next(iter(tables.values())).severities])
        axes.tick_params(labelsize=SMALL)
        axes.grid(visible=True, color="0.9")
        axes.spines[["top", "right"]].set_visible(False)
    _finish(panels, len(names), columns)
    heading = metric_info(metric).heading
    figure.suptitle(f"{heading} of corrupted clips; dashed: of clean ones", **PLAIN)
    figure.supxlabel("severity", fontsize=SMALL + 2)
    figure.supylabel(heading, fontsize=SMALL + 2)
    if len(tables) > 1:
        _draw_legend(figure, panels[0])
    return figure


def most_harmful_first(tables: Sequence[Robustness], metric: str) -> list[str]:
    """List corruptions by the change of a metric, mean over severities and tables."""

    def gain(name: str) -> float:
        changes = [np.subtract(t.curve(name, metric), t.clean[metric]) for t in tables]
        return float(np.nan_to_num(changes).mean())

    return sorted(tables[0].corrupted, key=gain, reverse=metric_info(metric).smaller_is_better)


def _draw_method(
    axes: Axes,
    table: Robustness,
    curve: Sequence[float],
    metric: str,
    look: Look,
    method: str,
) -> None:
    axes.axhline(table.clean[metric], color=look.colour, linestyle="--", linewidth=0.8, alpha=0.6)
    axes.plot(
        [0, *table.severities],
        curve,
        color=look.colour,
        marker=look.marker,
        linestyle=look.line,
        markersize=3.5,
        linewidth=1.4,
        label=wrapped(method),
    )


def _draw_legend(figure: Figure, axes: Axes) -> None:
    handles = axes.get_legend_handles_labels()[0]
    legend = figure.legend(
        handles=handles, loc="outside right upper", frameon=False, fontsize=SMALL
    )
    for text in legend.get_texts():
        text.set_parse_math(False)


def _finish(panels: Sequence[Axes], count: int, columns: int) -> None:
    """Remove panels that are left over; those above them get the ticks."""
    for axes in panels[count:]:
        axes.remove()
    for axes in panels[max(count - columns, 0) : count]:
        axes.tick_params(labelbottom=True)
