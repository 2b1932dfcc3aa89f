"""The files of a report."""

from pathlib import Path

from musicssl.errors import InputError
from musicssl.report.analysis.probe_study import ProbeStudy
from musicssl.report.analysis.study import Study
from musicssl.report.write.explanation import EXPLANATION, PROBES
from musicssl.report.write.markup import Table, latex, markdown
from musicssl.report.write.probe_page import probe_body, probe_heading, probe_title
from musicssl.report.write.probe_sentences import probe_notes, probe_verdict
from musicssl.report.write.probe_writing import write_probe_files
from musicssl.report.write.sentences import match_sentence, notes, verdict
from musicssl.report.write.study_page import study_body, study_title
from musicssl.report.write.study_writing import remove_study_files, write_study_files
from musicssl.report.write.web_page import paragraph, section, write_page


def write_report(study: Study | None, probes: ProbeStudy | None, folder: Path) -> Path:
    """Write index.html, table.md and .tex, and the files about runs and about probes.

    Files of these names are replaced, or removed where there is nothing to show any more.

    Args:
        study: Runs; None if there are none.
        probes: Results of probe.py; None if there are none. One of the two is there.
        folder: To write to; made if needed.

    Returns:
        The page.

    Raises:
        InputError: If `folder` cannot be a folder.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"cannot make the folder {folder} ({error}); choose another --out."
        ) from error
    lines, grids = _of_study(study), _grids(study)
    if probes is not None:
        lines += [*probe_verdict(probes), *probe_notes(probes)]
        grids += probes.grids
    words = "".join(f"- {line}\n" for line in lines) + "\n"
    (folder / "table.md").write_text(words + "\n".join(map(markdown, grids)), "utf-8")
    (folder / "table.tex").write_text("\n".join(map(latex, grids)), "utf-8")
    page = folder / "index.html"
    write_page(page, _title(study, probes), _body(study, probes, folder))
    return page


def _of_study(study: Study | None) -> list[str]:
    if study is None:
        return []
    matches = [match_sentence(match, study.baseline.label) + "." for match in study.matches]
    return [*verdict(study), *notes(study), *matches]


def _grids(study: Study | None) -> list[Table]:
    if study is None:
        return []
    tables: list[Table] = [*study.main_grids, *study.best_settings.tables, *study.chosen_grids]
    tables += [*study.other_grids, *study.other_chosen_grids]
    return [*tables, *study.localisation_grids, *study.corrupted_grids]


def _title(study: Study | None, probes: ProbeStudy | None) -> str:
    if study is not None:
        return study_title(study)
    return "" if probes is None else probe_title(probes)


def _body(study: Study | None, probes: ProbeStudy | None, folder: Path) -> list[str]:
    """Write the tables and pictures to files, and lay out the page with them."""
    parts, explained = [], ""
    if study is None:
        remove_study_files(folder)
    else:
        parts, explained = study_body(study, write_study_files(study, folder)), EXPLANATION
    curves = write_probe_files(probes, folder)
    if probes is not None:
        parts = parts or probe_heading(probes)
        parts, explained = [*parts, *probe_body(probes, curves)], explained + PROBES
    paragraphs = map(paragraph, explained.strip().split("\n\n"))
    return [*parts, *section("How the numbers were made", paragraphs)]
