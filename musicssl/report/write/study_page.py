"""What the page says of runs."""

from pathlib import Path
from typing import NamedTuple

from musicssl.evaluation.metrics import percent
from musicssl.report.analysis.study import Study
from musicssl.report.write.explanation import CHOICE, SEVERITY
from musicssl.report.write.markup import Table, html
from musicssl.report.write.page_tables import (
    comparisons_table,
    matches_table,
    runs_table,
    settings_table,
)
from musicssl.report.write.sentences import notes, verdict
from musicssl.report.write.web_page import (
    bullets,
    capitalised,
    count,
    heading,
    paragraph,
    picture,
    remark,
    section,
)


class Pictures(NamedTuple):
    """PNG files of a page; None where there is nothing to show.

    Attributes:
        curve: The metric over labelled clips; None if there is a single fraction.
        per_class: AUROC, or R², by class.
        robustness: The metric over the severity of corruptions of sound.
        probes: What linear probes make of fewer labelled clips.
    """

    curve: Path | None
    per_class: Path
    robustness: Path | None
    probes: Path | None


def study_title(study: Study) -> str:
    """Name the page."""
    return f"{capitalised(study.metric_name)} of {count(len(study.methods), 'method')}"


def study_body(study: Study, pictures: Pictures) -> list[str]:
    """Write the parts of a page about runs, without how the numbers were made."""
    name, baseline = capitalised(study.metric_name), study.baseline.label
    return [
        *heading(_headline(study), _subject(study)),
        *section("Verdict", [bullets(verdict(study)), *map(remark, notes(study))]),
        *section(
            f"{name} over labelled clips",
            picture(pictures.curve, f"{name} of each method over labelled clips"),
        ),
        *section(name if len(study.p_s) > 1 else "Metrics", map(html, study.main_grids)),
        *section(f"Compared with {baseline}", comparisons_table(study.comparisons, baseline)),
        *section("Best setting of each class, chosen on validation", _best_settings(study)),
        *section(f"How many labels does {baseline} need to match?", matches_table(study)),
        *section(
            "Class by class",
            picture(
                pictures.per_class, f"{study.dots_name} of each class and method, mean over seeds"
            ),
        ),
        *section("Linear probes of fewer labels", _probes(study, pictures.probes)),
        *section("Corrupted sound", _corrupted(study, pictures.robustness)),
        *section("Other metrics", map(html, [*study.other_grids, *study.other_chosen_grids])),
        *section("When does a class sound?", map(html, study.localisation_grids)),
        *section("Runs", [*settings_table(study), runs_table(study)]),
    ]


def _best_settings(study: Study) -> list[str]:
    best = study.best_settings
    if not best.choices:
        return []
    tables: list[Table] = [*best.tables, *study.chosen_grids]
    tests = comparisons_table(best.comparisons, best.contenders[0].label)
    return [paragraph(CHOICE), *map(html, tables), *tests]


def _probes(study: Study, file: Path | None) -> list[str]:
    if study.probed is None:
        return []
    what = f"{study.probed.metric_name} of linear probes over labelled clips, mean over seeds"
    return picture(file, what)


def _corrupted(study: Study, file: Path | None) -> list[str]:
    if study.corrupted is None:
        return []
    name, p_s = study.corrupted.metric_name, percent(study.corrupted.p_s)
    what = f"{name} over the severity of each corruption at {p_s} of the labels, mean over seeds"
    tables = map(html, study.corrupted_grids)
    return [paragraph(SEVERITY), *picture(file, what), *tables]


def _headline(study: Study) -> str:
    runs = sum(len(method.runs) for method in study.methods)
    counts = (count(len(study.methods), "method"), count(len(study.p_s), "fraction"))
    return f"{counts[0]} at {counts[1]} of the labels, {count(runs, 'run')}"


def _subject(study: Study) -> str:
    truth = study.baseline.runs[0].truth
    corpus = truth.corpus.get("dataset._target_", "one corpus").rpartition(".")[2]
    sizes = count(len(truth.clip_ids), "test clip"), count(len(truth.classes), "class")
    return f"{corpus}: {', '.join(sizes)}."
