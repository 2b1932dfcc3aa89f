"""Linear probes of runs that learn embeddings, on fewer labelled clips than the run had."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

from musicssl.evaluation.metrics import metric_info, percent, primary_metric
from musicssl.figures.label_curve import Point
from musicssl.probing.label_curve import CurvePoint
from musicssl.report.analysis.grouping import Method, largest_common_fraction
from musicssl.report.read.files import explained_damage
from musicssl.report.read.runs import Run
from musicssl.runs.artifacts.label_curve import read_probe_curves
from musicssl.runs.folder import RunFolder

_PROBE = "linear probe"


@dataclass(frozen=True, eq=False)
class LinearProbes:
    """Methods whose embeddings were all probed, at one fraction of labels.

    Attributes:
        p_s: The fraction of labels of the methods; probes learn from shares of these.
        metric_name: Heading of the metric.
        curves: By the label of the method.
    """

    p_s: float
    metric_name: str
    curves: Mapping[str, Sequence[Point]]


def has_probes(run: Run) -> bool:
    """Whether a run learns embeddings, and has the table of their probes."""
    return RunFolder(run.folder).label_curve.is_file()


def linear_probes(methods: Sequence[Method], metric: str) -> LinearProbes | None:
    """Gather the linear probes of runs, at the most labels at which all of them have probes.

    Args:
        methods: To compare.
        metric: Metric of the study; if the probes lack it, `primary_metric` is taken.

    Returns:
        None if not all methods have probes.

    Raises:
        InputError: If a table is damaged.
    """
    p_s = largest_common_fraction(methods, has_probes)
    if p_s is None:
        return None
    runs = {method.label: method.cells[p_s].runs.values() for method in methods}
    points = {label: [_points(run) for run in of_method] for label, of_method in runs.items()}
    names = points[methods[0].label][0][0].macro
    chosen = primary_metric(names, wanted=metric)
    curves = {label: _curve(seeds, chosen) for label, seeds in points.items()}
    return LinearProbes(p_s, metric_info(chosen).heading, curves)


def _points(run: Run) -> Sequence[CurvePoint]:
    file = RunFolder(run.folder).label_curve
    with explained_damage(file):
        return read_probe_curves(file)[_PROBE]


def _curve(seeds: Sequence[Sequence[CurvePoint]], metric: str) -> list[Point]:
    """Gather the seeds of each share; with few clips, some seeds lack the smallest shares."""
    points = [point for one in seeds for point in one]
    by_share = {
        share: [point for point in points if point.fraction == share]
        for share in sorted({point.fraction for point in points})
    }
    return [
        Point(percent(share), mean(p.clips for p in group), [p.macro[metric] for p in group])
        for share, group in by_share.items()
    ]
