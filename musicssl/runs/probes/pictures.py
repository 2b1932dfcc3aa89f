"""The pictures of a probe."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicssl.cache import null_to_nan
from musicssl.evaluation.metrics import metric_info, percent
from musicssl.evaluation.predictions import Predictions, measure
from musicssl.figures.label_curve import Point, draw_label_curves
from musicssl.figures.run_figures import draw_answers, draw_bars
from musicssl.figures.saving import save_png
from musicssl.runs.probes.folder import ProbeFolder
from musicssl.runs.tables import write_metrics_csv

Document = Mapping[str, Any]


def draw_classes(
    folder: ProbeFolder,
    document: Document,
    predictions: Predictions,
    credit: NDArray[np.float32] | None,
) -> None:
    """Draw each class and the answers, and write the table of classes.

    Args:
        folder: To write to.
        document: The results.
        predictions: Of the first draw with the most labels.
        credit: What answers are worth; see `Corpus`.
    """
    metrics = measure(predictions, credit)
    per_class = {name: values.tolist() for name, values in metrics.per_class.items()}
    write_metrics_csv(folder.path / "metrics.csv", predictions.classes, per_class, metrics.macro)
    share = percent(document["cells"][-1]["p_s"])
    title = (
        f"{document['source']['label']} on {document['corpus']}: {document['probe']} probe with "
        f"{share} of the labels"
    )
    in_bars = dict(per_class)
    if document["task"] == "multi_label":  # few probes of rare classes ever exceed 0.5
        del in_bars["f1"]
    draw_bars(folder.figures, predictions.classes, in_bars, title)
    draw_answers(folder.figures, predictions, title)


def draw_curve(folder: ProbeFolder, document: Document, baselines: Sequence[Document]) -> None:
    """Draw how a probe and its baselines do over the fractions of labels, if there are several."""
    if len(document["cells"]) == 1:
        return
    metric = document["metric"]
    curves = {one["source"]["label"]: _points(one, metric) for one in (document, *baselines)}
    probes = f"{document['probe'].capitalize()} probes of {document['corpus']}"
    title = f"{probes}: means over draws of labels, with 95 % intervals over draws"
    chance = document["chance"].get(metric)
    reference = None if chance is None or math.isnan(chance) else (chance, "chance")
    share = "their share of all labelled ones"
    figure = draw_label_curves(curves, metric_info(metric).heading, title, share, reference)
    save_png(folder.figures / "label_curve.png", figure)


def _points(document: Document, metric: str) -> list[Point]:
    points = []
    for cell in document["cells"]:
        macros = [fit["macro"] for fit in document["fits"] if fit["p_s"] == cell["p_s"]]
        values = [null_to_nan(macro[metric]) for macro in macros]
        points.append(Point(percent(cell["p_s"]), cell["labelled"], values))
    return points
