"""The report as one web page: no script, no link, pictures inside, so that it can be mailed."""

import base64
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import NamedTuple

from musicssl.report.explanation import EXPLANATION, SEVERITY
from musicssl.report.grids import percent
from musicssl.report.markup import html
from musicssl.report.page_tables import comparisons_table, matches_table, runs_table, settings_table
from musicssl.report.sentences import notes, verdict
from musicssl.report.study import Study

_STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; background: white;
       max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; line-height: 1.25; } h2 { font-size: 1.2rem; margin-top: 2.4rem; }
p, li { max-width: 46rem; overflow-wrap: anywhere; } li { margin: .3rem 0; }
img { max-width: 100%; height: auto; }
figure { margin: 1.2rem 0; } figcaption { color: #555; font-size: .85rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .7rem; text-align: right; white-space: nowrap;
         border-bottom: 1px solid #e2e2e2; }
th:first-child { text-align: left; }
thead th { border-bottom: 2px solid #1a1a1a; vertical-align: bottom; white-space: normal; }
.long { display: inline-block; min-width: 10rem; text-align: left; white-space: normal;
        overflow-wrap: anywhere; }
tbody th { font-weight: normal; white-space: normal; min-width: 9rem; }
.quiet { color: #555; }
@media print {
  body { font-size: 10pt; margin: 0; max-width: none; }
  h2, figcaption { break-after: avoid; } img, tr { break-inside: avoid; }
  .wide { overflow: visible; } table { font-size: 7.5pt; } th, td { padding: .15rem .35rem; }
}
"""


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


def write_page(path: Path, study: Study, pictures: Pictures) -> None:
    """Write the page.

    Args:
        path: The file.
        study: What to show.
        pictures: To put into it.
    """
    title = escape(f"{study.metric_name} of {_count(len(study.methods), 'method')}")
    path.write_text(
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(_body(study, pictures))
        + "\n</body>\n</html>\n",
        encoding="utf-8",
    )


def _body(study: Study, pictures: Pictures) -> list[str]:
    name, baseline = study.metric_name, study.baseline.label
    return [
        f"<h1>{escape(_headline(study))}</h1>",
        f'<p class="quiet">{escape(_subject(study))}</p>',
        *_section("Verdict", [_list(verdict(study)), *map(_note, notes(study))]),
        *_section(
            f"{name} over labelled clips",
            _shown(pictures.curve, f"{name} of each method over labelled clips"),
        ),
        *_section(name if len(study.p_s) > 1 else "Metrics", map(html, study.main_grids)),
        *_section(f"Compared with {baseline}", comparisons_table(study)),
        *_section(f"How many labels does {baseline} need to match?", matches_table(study)),
        *_section(
            "Class by class",
            _shown(
                pictures.per_class, f"{study.dots_name} of each class and method, mean over seeds"
            ),
        ),
        *_section("Linear probes of fewer labels", _probes(study, pictures.probes)),
        *_section("Corrupted sound", _corrupted(study, pictures.robustness)),
        *_section("Other metrics", map(html, study.other_grids)),
        *_section("When does a class sound?", map(html, study.localisation_grids)),
        *_section("Runs", [*settings_table(study), runs_table(study)]),
        *_section("How the numbers were made", map(_paragraph, EXPLANATION.strip().split("\n\n"))),
    ]


def _probes(study: Study, picture: Path | None) -> list[str]:
    if study.probed is None:
        return []
    what = f"{study.probed.metric_name} of linear probes over labelled clips, mean over seeds"
    return _shown(picture, what)


def _corrupted(study: Study, picture: Path | None) -> list[str]:
    if study.corrupted is None:
        return []
    name, p_s = study.corrupted.metric_name, percent(study.corrupted.p_s)
    what = f"{name} over the severity of each corruption at {p_s} of the labels, mean over seeds"
    tables = map(html, study.corrupted_grids)
    return [_paragraph(SEVERITY), *_shown(picture, what), *tables]


def _headline(study: Study) -> str:
    runs = sum(len(method.runs) for method in study.methods)
    counts = (_count(len(study.methods), "method"), _count(len(study.p_s), "fraction"))
    return f"{counts[0]} at {counts[1]} of the labels, {_count(runs, 'run')}"


def _subject(study: Study) -> str:
    truth = study.baseline.runs[0].truth
    corpus = truth.corpus.get("dataset._target_", "one corpus").rpartition(".")[2]
    return f"{corpus}: {len(truth.clip_ids):,} test clips, {_count(len(truth.classes), 'class')}."


def _count(number: int, noun: str) -> str:
    plural = noun + ("es" if noun.endswith("s") else "s")
    return f"{number:,} {noun if number == 1 else plural}"


def _section(title: str, parts: Iterable[str]) -> list[str]:
    """Head some parts with a title; no parts, no title."""
    parts = list(parts)
    return [f"<h2>{escape(title)}</h2>", *parts] if parts else []


def _list(sentences: Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences) + "</ul>"


def _paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def _note(text: str) -> str:
    return f'<p class="quiet">{escape(text)}</p>'


def _shown(file: Path | None, what: str) -> list[str]:
    if file is None:
        return []
    data = base64.b64encode(file.read_bytes()).decode()
    return [f'<img alt="{escape(what)}" src="data:image/png;base64,{data}">']
