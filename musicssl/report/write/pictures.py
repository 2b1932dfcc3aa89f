"""The pictures of a report, as PNG files, and as SVG and PDF if asked for."""

import re
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from musicssl.evaluation.metrics import percent
from musicssl.figures.class_dots import draw_class_dots
from musicssl.figures.label_curve import Point, draw_label_curves
from musicssl.figures.robustness_curve import robustness_curves
from musicssl.figures.style import save_png, save_vector
from musicssl.figures.unlabelled_curve import draw_unlabelled_curves
from musicssl.report.analysis.grouping import fractions
from musicssl.report.analysis.linear_probes import LinearProbes
from musicssl.report.analysis.probe_boards import ProbeBoard, chance_text
from musicssl.report.analysis.study import Study
from musicssl.report.analysis.unlabelled_fractions import UnlabelledStudy
from musicssl.report.write.verdicts import capitalised

_SHOWN_AS = {"per_class": "classes", "probes": "linear_probes"}  # what the page calls a file


def draw_study(study: Study, folder: Path, vector: bool = False) -> dict[str, Path]:
    """Draw curve.png and per_class.png, and the other pictures if runs have the data.

    Args:
        study: The runs.
        folder: To write to.
        vector: Whether to write each picture as .svg and .pdf too.

    Returns:
        The PNG files: "curve", of runs with several fractions of labels, "classes", "unlabelled",
        "robustness" and "linear_probes".
    """
    figures = {"per_class": _draw_classes(study)}
    if len(fractions(study.pictured)) > 1:
        figures["curve"] = _draw_curve(study)
    if study.unlabelled is not None:
        figures["unlabelled"] = _draw_unlabelled(study.unlabelled)
    if study.robustness is not None:
        means, metric = study.robustness.means, study.robustness.metric
        figures["robustness"] = robustness_curves(means, metric)
    if study.linear_probes is not None:
        figures["probes"] = _draw_linear_probes(study.linear_probes)
    return {
        _SHOWN_AS.get(name, name): _save(folder / f"{name}.png", figure, vector)
        for name, figure in figures.items()
    }


def _save(path: Path, figure: Figure, vector: bool) -> Path:
    if vector:
        save_vector(path, figure)
    return save_png(path, figure)


def draw_boards(
    boards: Sequence[ProbeBoard], folder: Path, vector: bool = False
) -> list[Path | None]:
    """Draw probes_*.png of each board; None for those with a single fraction of labels."""
    names = [re.sub(r"\W+", "_", f"{b.corpus}_{b.probe}").strip("_") for b in boards]
    numbers = [names[:index].count(name) for index, name in enumerate(names)]
    suffixes = [f"_{number + 1}" if number else "" for number in numbers]
    return [
        None
        if len(board.p_s) == 1
        else _save(folder / f"probes_{name}{suffix}.png", _draw_board(board), vector)
        for board, name, suffix in zip(boards, names, suffixes, strict=True)
    ]


def _draw_curve(study: Study) -> Figure:
    curves = {
        method.label: [
            Point(percent(p_s), cell.labelled, list(cell.values(study.metric).values()))
            for p_s, cell in method.cells.items()
        ]
        for method in study.pictured
    }
    title = "Means with 95 % intervals, and single seeds"
    return draw_label_curves(curves, study.metric_name, title)


def _draw_unlabelled(study: UnlabelledStudy) -> Figure:
    curves = {
        label: {u_s: list(cell.values(study.metric).values()) for u_s, cell in cells.items()}
        for label, cells in study.curves.items()
    }
    title = f"Means with 95 % intervals, and single seeds, at {percent(study.p_s)} of the labels"
    return draw_unlabelled_curves(curves, study.metric_name, title)


def _draw_classes(study: Study) -> Figure:
    p_s = study.class_fraction
    values = {m.label: m.cells[p_s].by_class() for m in study.pictured if p_s in m.cells}
    classes = study.baseline.runs[0].test_set.classes
    name = study.class_metric_name
    reference = (0.5, "chance") if study.has_classes else (0.0, "the mean target")
    title = f"{name} by class at {percent(p_s)} of the labels, mean over seeds"
    return draw_class_dots(classes, values, name, title, reference)


def _draw_linear_probes(probes: LinearProbes) -> Figure:
    title = f"Linear probes of runs with {percent(probes.p_s)} of the labels"
    share = "their share of the run's"
    return draw_label_curves(probes.curves, probes.metric_name, title, share)


def _draw_board(board: ProbeBoard) -> Figure:
    curves = {
        model.label: [
            Point(percent(p_s), model.labelled(p_s), model.values(p_s, board.metric))
            for p_s in model.p_s
        ]
        for model in board.models
    }
    title = f"{capitalised(board.title)}; {chance_text(board)}"
    share = "their share of all labelled ones"
    return draw_label_curves(curves, board.metric_name, title, share)
