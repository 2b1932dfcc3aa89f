"""How well probes do, over the labelled clips that they learn from: a picture and a table."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from musicssl.documents import csv_field, csv_number
from musicssl.evaluation.metrics import METRICS, metric_info, percent, primary_metric
from musicssl.figures.label_curve import Point, draw_label_curves
from musicssl.figures.style import save_png
from musicssl.probing.label_curve import CurvePoint

Curves = Mapping[str, Sequence[CurvePoint]]


def draw_probe_curves(folder: Path, curves: Curves) -> Path:
    """Write what probes make of few labels and of more to label_curve.png.

    Args:
        folder: To write to.
        curves: By the name of the probe, of the same labelled clips.

    Returns:
        The path of the picture.
    """
    metric = primary_metric(next(iter(curves.values()))[0].macro)
    points = {
        name: [Point(percent(p.fraction), p.clips, [p.macro[metric]]) for p in curve]
        for name, curve in curves.items()
    }
    share = "their share of the run's"
    figure = draw_label_curves(points, metric_info(metric).heading, "Probes of few labels", share)
    return save_png(folder / "label_curve.png", figure)


def write_probe_curves(path: Path, curves: Curves) -> None:
    """Write a row for each probe and fraction of labels; an undefined metric is an empty field."""
    metrics = list(next(iter(curves.values()))[0].macro)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["probe", "fraction", "clips", *metrics])
        for name, curve in curves.items():
            for point in curve:
                values = map(csv_field, point.macro.values())
                writer.writerow([name, point.fraction, point.clips, *values])


def read_probe_curves(path: Path) -> dict[str, list[CurvePoint]]:
    """Read what `write_probe_curves` wrote.

    Raises:
        OSError: If the table cannot be read.
        ValueError: If it is damaged.
    """
    curves: dict[str, list[CurvePoint]] = {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file, strict=True):
                curves.setdefault(row.pop("probe"), []).append(_point(row))
    except (csv.Error, LookupError, TypeError) as error:
        raise ValueError(f"a row of it is damaged: {error}") from error
    if not curves:
        raise ValueError("it has no rows")
    return curves


def _point(row: dict[str, str]) -> CurvePoint:
    fraction, clips = float(row.pop("fraction")), int(row.pop("clips"))
    if not 0 < fraction <= 1 or clips < 1:
        raise ValueError(f"a share of {fraction} that is {clips} clips")
    macro = {key: csv_number(value) for key, value in row.items()}
    if not macro or not set(macro) <= set(METRICS):
        raise ValueError("a metric of it is unknown")
    return CurvePoint(fraction, clips, macro)
