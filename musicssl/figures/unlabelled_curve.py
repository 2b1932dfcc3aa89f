"""A metric over the fraction of clips without labels that is used."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from musicssl.evaluation.statistics.spread import spread
from musicssl.figures.style import PLAIN, looks, spacious, wrapped


def draw_unlabelled_curves(
    curves: Mapping[str, Mapping[float, Sequence[float]]], metric: str, title: str
) -> Figure:
    """Draw a metric of each method over u_s: means with 95 % t-intervals, single seeds faint.

    Args:
        curves: The metric of each seed by u_s, ascending, by the name of the method.
        metric: Heading of the metric.
        title: Above the picture.
    """
    figure = Figure(figsize=(9, 5.4), layout=spacious())
    axes = figure.subplots()
    axes.set_title(wrapped(title, 50), loc="left", **PLAIN)
    for (name, points), look in zip(curves.items(), looks(len(curves)), strict=True):
        spreads = [spread(values) for values in points.values()]
        axes.errorbar(
            list(points),
            [one.mean for one in spreads],
            [one.half_width if one.n > 1 else 0 for one in spreads],
            color=look.colour,
            marker=look.marker,
            linestyle=look.line,
            capsize=3,
            label=wrapped(name, 36),
        )
        for u_s, values in points.items():
            axes.scatter([u_s] * len(values), values, 16, color=look.colour, alpha=0.35)
    axes.set_xlim(-0.05, 1.05)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1])
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_ylabel(metric, **PLAIN)
    axes.set_xlabel("fraction u_s of the clips without labels that is used")
    axes.grid(visible=True, color="0.9")
    axes.spines[["top", "right"]].set_visible(False)
    legend = figure.legend(loc="outside right center", frameon=False)
    for text in legend.get_texts():
        text.set_parse_math(False)
    return figure
