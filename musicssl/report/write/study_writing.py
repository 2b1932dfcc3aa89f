"""The files of a report that are about runs."""

from pathlib import Path

from musicssl.evaluation.metrics import percent
from musicssl.figures.class_dots import draw_class_dots
from musicssl.figures.label_curve import Point, draw_label_curves
from musicssl.figures.robustness_curve import draw_robustness_curves
from musicssl.figures.saving import save_png
from musicssl.report.analysis.grouping import fractions
from musicssl.report.analysis.study import Study
from musicssl.report.write.csv_files import (
    write_best_settings,
    write_comparisons,
    write_corrupted,
    write_metrics,
)
from musicssl.report.write.study_page import Pictures

_FILES = (
    *("table.csv", "comparisons.csv", "curve.png", "per_class.png"),
    *("robustness.csv", "robustness.png", "probes.png"),
    *("best_settings.csv", "best_settings_comparisons.csv"),
)


def write_study_files(study: Study, folder: Path) -> Pictures:
    """Write table.csv, comparisons.csv, curve.png and per_class.png.

    Where all runs were tested under corruptions, robustness.csv and .png too; where all have
    probes of few labels, probes.png; where validation chooses among settings, best_settings.csv,
    best_settings_comparisons.csv, and rows in table.csv of what comes of it. Files of these names
    are replaced, or removed where there is nothing to show any more.

    Returns:
        The pictures.
    """
    write_metrics(folder / "table.csv", [*study.methods, *study.best_settings.chosen])
    write_comparisons(folder / "comparisons.csv", study.comparisons)
    _write_best_settings(study, folder)
    return Pictures(
        curve=_draw_curve(study, folder),
        per_class=_draw_dots(study, folder),
        robustness=_write_corrupted(study, folder),
        probes=_draw_probes(study, folder),
    )


def remove_study_files(folder: Path) -> None:
    """Remove what an earlier report about runs left."""
    for name in _FILES:
        (folder / name).unlink(missing_ok=True)


def _draw_curve(study: Study, folder: Path) -> Path | None:
    path = folder / "curve.png"
    if len(fractions(study.pictured)) == 1:
        path.unlink(missing_ok=True)
        return None
    curves = {
        method.label: [
            Point(percent(p_s), cell.labelled, list(cell.values(study.metric).values()))
            for p_s, cell in method.cells.items()
        ]
        for method in study.pictured
    }
    title = "Means with 95 % intervals, and single seeds"
    return save_png(path, draw_label_curves(curves, study.metric_name, title))


def _write_best_settings(study: Study, folder: Path) -> None:
    best = study.best_settings
    table, comparisons = folder / "best_settings.csv", folder / "best_settings_comparisons.csv"
    table.unlink(missing_ok=True)
    comparisons.unlink(missing_ok=True)
    if best.choices:
        write_best_settings(table, best.tables)
        write_comparisons(comparisons, best.comparisons)


def _write_corrupted(study: Study, folder: Path) -> Path | None:
    if study.corrupted is None:
        (folder / "robustness.csv").unlink(missing_ok=True)
        (folder / "robustness.png").unlink(missing_ok=True)
        return None
    write_corrupted(folder / "robustness.csv", study.corrupted)
    return draw_robustness_curves(folder, study.corrupted.means, study.corrupted.metric)


def _draw_probes(study: Study, folder: Path) -> Path | None:
    path = folder / "probes.png"
    if study.probed is None:
        path.unlink(missing_ok=True)
        return None
    title = f"Linear probes of runs with {percent(study.probed.p_s)} of the labels"
    share = "their share of the run's"
    name = study.probed.metric_name
    return save_png(path, draw_label_curves(study.probed.curves, name, title, share))


def _draw_dots(study: Study, folder: Path) -> Path:
    p_s = study.dots_at
    shown = {m.label: m.cells[p_s].by_class() for m in study.pictured if p_s in m.cells}
    classes = study.baseline.runs[0].truth.classes
    name, reference = study.dots_name, (0.5, "chance")
    if study.is_regression:
        reference = (0.0, "the mean target")
    title = f"{name} by class at {percent(p_s)} of the labels, mean over seeds"
    return save_png(
        folder / "per_class.png", draw_class_dots(classes, shown, name, title, reference)
    )
