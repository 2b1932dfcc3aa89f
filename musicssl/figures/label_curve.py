"""The label-efficiency curve: a metric over the number of labelled clips."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan, log

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator
from numpy.typing import NDArray

from musicssl.evaluation.statistics.spread import spread
from musicssl.figures.style import GREY, PLAIN, SMALL, Look, looks, spacious, wrapped

_DODGE = 0.012  # of the axis, between neighbouring methods, or less where fractions are close
_ROOM = 0.05  # of the axis, for the text at a tick


@dataclass(frozen=True)
class Point:
    """A method at one fraction of labels.

    Attributes:
        p_s: The fraction, as text.
        clips: Number of labelled clips.
        values: A metric of each seed; NaN is left out.
    """

    p_s: str
    clips: float
    values: Sequence[float]


def draw_label_curves(
    curves: Mapping[str, Sequence[Point]],
    metric: str,
    title: str,
    fraction: str = "the fraction p_s that they are",
    reference: tuple[float, str] | None = None,
) -> Figure:
    """Draw a metric of each method over labelled clips: means over seeds, single seeds faint.

    Bars are 95 % t-intervals of the means. The methods of one fraction stand a little apart from
    left to right so that their intervals can be told apart.

    Args:
        curves: Points in ascending order by the name of the method; the first is drawn in black.
        metric: Heading of the metric.
        title: Above the picture.
        fraction: What the percentages beneath the clips are fractions of.
        reference: A value to mark across the picture, and what reaches it, such as chance.
    """
    figure = Figure(figsize=(9, 5.4), layout=spacious())
    axes = figure.subplots()
    axes.set_title(wrapped(title, 50), loc="left", **PLAIN)
    logs = np.log(sorted({point.clips for points in curves.values() for point in points}))
    span = max(float(logs[-1] - logs[0]), 0.1)
    step = min(_DODGE * span, 0.6 * _least_gap(logs, span) / len(curves))
    pairs = zip(curves.items(), looks(len(curves)), strict=True)
    for number, ((name, points), look) in enumerate(pairs):
        offset = number - (len(curves) - 1) / 2
        _draw_method(axes, name, points, float(np.exp(offset * step)), look)
    _frame(axes, curves, span)
    if reference is not None:
        _draw_reference(axes, *reference)
    axes.set_ylabel(metric, **PLAIN)
    axes.set_xlabel(f"labelled training clips (logarithmic), and {fraction}")
    handles = axes.get_legend_handles_labels()[0]
    handles.sort(key=lambda handle: isinstance(handle, Line2D))  # the reference last
    legend = figure.legend(handles=handles, loc="outside right center", frameon=False)
    for text in legend.get_texts():
        text.set_parse_math(False)
    return figure


def _least_gap(logs: NDArray[np.float64], span: float) -> float:
    """Return the distance of the two closest fractions that do not overlap."""
    gaps = np.diff(logs)
    return float(min(gaps[gaps > _ROOM * span], default=span))


def _draw_method(axes: Axes, name: str, points: Sequence[Point], shift: float, look: Look) -> None:
    spreads = [spread(point.values) for point in points]
    x = np.array([point.clips for point in points]) * shift
    widths = [0 if isnan(one.half_width) else one.half_width for one in spreads]
    axes.errorbar(
        x,
        [one.mean for one in spreads],
        widths if any(widths) else None,  # the legend shows bars only where there are some
        color=look.colour,
        marker=look.marker,
        linestyle=look.line,
        markersize=6,
        linewidth=1.6,
        elinewidth=1.1,
        capsize=3,
        label=wrapped(name, 36),
        zorder=3,
    )
    for left, point in zip(x, points, strict=True):
        column = np.full(len(point.values), left)
        dots = axes.scatter(column, point.values, 16, color=look.colour, alpha=0.35, linewidths=0)
        dots.set_zorder(2)


def _frame(axes: Axes, curves: Mapping[str, Sequence[Point]], span: float) -> None:
    axes.set_xscale("log")
    heads = {point.clips: point.p_s for points in curves.values() for point in points}
    ticks: list[float] = []
    for clips in sorted(heads):
        if not ticks or log(clips / ticks[-1]) > _ROOM * span:
            ticks.append(clips)
    labels = [f"{clips:,.0f}\n{heads[clips]}" for clips in ticks]
    axes.set_xticks(ticks, labels, fontsize=SMALL + 1)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_ylim(*_limits([point for points in curves.values() for point in points]))
    axes.grid(visible=True, color="0.9")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_reference(axes: Axes, value: float, what: str) -> None:
    """Mark a value, with room beneath or above it."""
    low, high = axes.get_ylim()
    axes.axhline(value, color=GREY, linestyle="--", linewidth=1.2, label=wrapped(what, 36))
    margin = (max(high, value) - min(low, value)) / 30
    axes.set_ylim(min(low, value - margin), max(high, value + margin))


def _limits(points: Sequence[Point]) -> tuple[float, float]:
    """Make room for single seeds and for intervals, but not for the very wide ones of two seeds."""
    ends = [value for point in points for value in point.values]
    shares = all(0 <= value <= 1 for value in ends)  # so that no interval is drawn beyond them
    for over in (spread(point.values) for point in points):
        if over.n > 2:
            ends += [over.mean - over.half_width, over.mean + over.half_width]
    low, high = float(np.nanmin(ends)), float(np.nanmax(ends))
    if shares:
        low, high = max(low, 0), min(high, 1)
    margin = max((high - low) / 12, 0.01)
    return low - margin, high + margin
