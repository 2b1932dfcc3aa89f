"""The files of a report: page, tables, and numbers for other programs."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from musicssl.documents import csv_field
from musicssl.errors import disk_errors
from musicssl.evaluation.robustness_table import CLEAN
from musicssl.report.analysis.best_settings import ALL, ChoiceTable
from musicssl.report.analysis.comparisons import Comparison
from musicssl.report.analysis.grouping import Method
from musicssl.report.analysis.probe_boards import Bootstrapped, ProbeBoard
from musicssl.report.analysis.probe_study import ProbeStudy
from musicssl.report.analysis.robustness import RobustnessStudy
from musicssl.report.analysis.study import Study
from musicssl.report.write.formats import html, latex, markdown, md
from musicssl.report.write.pictures import draw_boards, draw_study
from musicssl.report.write.tables import Table
from musicssl.report.write.view import ReportView

_FILES = (
    *("table.csv", "comparisons.csv", "robustness.csv"),
    *("best_settings.csv", "best_settings_comparisons.csv"),
    *("probes.csv", "probe_comparisons.csv"),
    *(
        f"{picture}{ending}"
        for picture in ("curve", "per_class", "robustness", "unlabelled", "probes", "probes_*")
        for ending in (".png", ".svg", ".pdf")
    ),
)


def write_report(
    report: ReportView,
    sections: Sequence[Study],
    probes: ProbeStudy,
    folder: Path,
    vector: bool = False,
) -> Path:
    """Write index.html, table.md and table.tex, and the files about runs and about probes.

    Where there are several sections of runs, the files of each are in a folder of its own,
    section_1 and so on. Files of these names from an earlier report are replaced, or removed where
    there is nothing to show any more.

    Args:
        report: What the page and the tables show.
        sections: The training runs.
        probes: The results of probes.
        folder: To write to; made if needed.
        vector: Whether to write pictures as .svg and .pdf too.

    Returns:
        The page.

    Raises:
        InputError: If `folder` cannot be written.
    """
    with disk_errors(folder, "--out FOLDER"):
        return _write_files(report, sections, probes, folder, vector)


def _write_files(
    report: ReportView,
    sections: Sequence[Study],
    probes: ProbeStudy,
    folder: Path,
    vector: bool,
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    _remove_former(folder)
    for study, place in zip(sections, section_folders(folder, len(sections)), strict=True):
        place.mkdir(parents=True, exist_ok=True)
        _write_study(study, place)
    if probes.boards:
        write_probes(folder / "probes.csv", probes.boards)
        write_probe_comparisons(folder / "probe_comparisons.csv", probes)
    (folder / "table.md").write_text(_markdown_file(report), "utf-8")
    (folder / "table.tex").write_text("\n".join(map(latex, report.tables)), "utf-8")
    pictures = [
        draw_study(study, place, vector)
        for study, place in zip(sections, section_folders(folder, len(sections)), strict=True)
    ]
    board_pictures = draw_boards(probes.boards, folder, vector)
    page = folder / "index.html"
    page.write_text(html(report, pictures, board_pictures), "utf-8")
    return page


def section_folders(folder: Path, number: int) -> list[Path]:
    """Name the folder of each section: the report's own if there is one section."""
    return [folder] if number == 1 else [folder / f"section_{i + 1}" for i in range(number)]


def _remove_former(folder: Path) -> None:
    """Remove the files of an earlier report, and folders of its sections that are then empty."""
    for place in [folder, *folder.glob("section_*")]:
        for pattern in _FILES:
            for file in place.glob(pattern):
                file.unlink()
        if place != folder and place.is_dir() and not any(place.iterdir()):
            place.rmdir()


def _markdown_file(report: ReportView) -> str:
    """Write the sentences and tables of all parts; several sections have headings."""
    parts: list[tuple[str, Sequence[str], Sequence[Table]]] = [
        (section.section, section.sentences, section.tables) for section in report.sections
    ]
    if report.probes is not None:
        heading = "Probes" if len(report.sections) > 1 else ""
        parts.append((heading, report.probes.verdict, report.probes.tables))
    if len(report.sections) <= 1:  # one list of sentences, then the tables
        sentences = [sentence for _, some, _ in parts for sentence in some]
        parts = [("", [*sentences, *report.left_out], report.tables)]
    elif report.left_out:
        parts.append(("Left out", report.left_out, []))
    return "\n".join(_markdown_part(*part) for part in parts)


def _markdown_part(heading: str, sentences: Sequence[str], tables: Sequence[Table]) -> str:
    title = f"## {md(heading)}\n\n" if heading else ""
    listed = "".join(f"- {md(sentence)}\n" for sentence in sentences) + "\n"
    return title + listed + "\n".join(map(markdown, tables))


def _write_study(study: Study, folder: Path) -> None:
    """Write the numbers of runs; those of methods with chosen settings are in table.csv, too."""
    best = study.best_settings
    write_metrics(folder / "table.csv", [*study.methods, *best.chosen])
    write_comparisons(folder / "comparisons.csv", study.comparisons)
    if best.choices:
        write_best_settings(folder / "best_settings.csv", best.tables)
        write_comparisons(folder / "best_settings_comparisons.csv", best.comparisons)
    if study.robustness is not None:
        write_robustness(folder / "robustness.csv", study.robustness)


def write_metrics(path: Path, methods: Sequence[Method]) -> None:
    """Write a row for each method, fraction of labels and metric, localisation included."""
    rows = []
    for method in methods:
        for p_s, cell in method.cells.items():
            metrics = dict.fromkeys(key for run in cell.runs.values() for key in run.metrics)
            for metric in metrics:
                value = cell.spread(metric)
                row = [method.label, p_s, cell.labelled, metric, value.mean, value.sd, value.n]
                rows.append(row)
    _write(path, ["method", "p_s", "labelled", "metric", "mean", "sd", "n"], rows)


def write_comparisons(path: Path, comparisons: Sequence[Comparison]) -> None:
    """Write a row for each pair of methods and fraction of labels; variances are those of `d`."""
    heads = [
        *("p_s", "labelled", "method", "other", "seeds", "difference", "low", "high"),
        *("seed_variance", "clip_variance", "dof", "p"),
        *("p_holm_with_baseline", "p_holm_all_pairs", "note"),
    ]
    rows = []
    for one in comparisons:
        test = one.test
        tested: list[object] = [""] * 7
        if test is not None:
            variances = (test.seed_variance, test.clip_variance)
            tested = [test.difference, *test.interval, *variances, test.dof, test.p]
        key = [one.p_s, one.labelled, one.method, one.other, len(one.seeds)]
        rows.append([*key, *tested, one.p_baseline, one.p_all, one.caveat])
    _write(path, heads, rows)


def write_best_settings(path: Path, tables: Sequence[ChoiceTable]) -> None:
    """Write a row for each choice and class, and for the best single setting; its class is empty.

    There `metric` is the macro mean.
    """
    heads = ["name", "p_s", "class", "setting", "metric"]
    heads += ["validation_mean", "validation_sd", "test_mean", "test_sd", "n"]
    rows: list[list[object]] = []
    for table in tables:
        choice = table.choice
        for label, (setting, validation, test) in table.rows.items():
            key = [choice.name, choice.p_s, "" if label == ALL else label, setting.text]
            values = [validation.mean, validation.sd, test.mean, test.sd, len(choice.seeds)]
            rows.append([*key, choice.metric, *values])
    _write(path, heads, rows)


def write_robustness(path: Path, robustness: RobustnessStudy) -> None:
    """Write a row for each method, corruption and severity; that of clean clips is "none" at 0."""
    rows: list[list[object]] = []
    for label, means in robustness.means.items():
        values = {(CLEAN, 0.0): robustness.clean(label)}
        values |= {key: robustness.at(label, *key) for key in means.judged}
        for key, value in values.items():
            numbers = [value.mean, value.sd, value.n]
            rows.append([label, robustness.p_s, *key, robustness.metric, *numbers])
    _write(path, ["method", "p_s", "corruption", "severity", "metric", "mean", "sd", "n"], rows)


def write_probes(path: Path, boards: Sequence[ProbeBoard]) -> None:
    """Write a row for each board, model, fraction of labels and metric.

    `low` and `high` are the 95 % interval over test clips, of a single training alone.
    """
    heads = ["probe", "corpus", "board", "model", "kind", "p_s", "labelled", "metric"]
    heads += ["mean", "sd", "n", "low", "high", "chance"]
    rows: list[list[object]] = []
    for board in boards:
        for model in board.models:
            for p_s in model.p_s:
                key = [board.probe, board.first.corpus, board.title, model.label, model.kind, p_s]
                for metric in model.at(p_s)[0].cells[p_s].mean:
                    value = model.spread(p_s, metric)
                    ends = (value.low, value.high) if isinstance(value, Bootstrapped) else ("", "")
                    numbers = [value.mean, value.sd, value.n, *ends]
                    chance = board.first.chance.get(metric)
                    rows.append([*key, model.labelled(p_s), metric, *numbers, chance])
    _write(path, heads, rows)


def write_probe_comparisons(path: Path, study: ProbeStudy) -> None:
    """Write a row for each comparison with the baseline of a board."""
    heads = ["board", "p_s", "labelled", "metric", "model", "other"]
    heads += ["difference", "low", "high", "p", "p_holm", "p_new_trainings"]
    rows = [
        [
            *(board.title, one.p_s, one.labelled, one.metric, one.model, one.other),
            *(one.test.difference, one.test.low, one.test.high, one.test.p),
            *(one.p_holm, one.p_claim),
        ]
        for board, comparisons in zip(study.boards, study.comparisons, strict=True)
        for one in comparisons
    ]
    _write(path, heads, rows)


def _write(path: Path, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(map(csv_field, heads))
        writer.writerows([[csv_field(value) for value in row] for row in rows])
