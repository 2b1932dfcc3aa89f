"""All formats are written from what is worked out once."""

import pytest

from musicssl.report.__main__ import main
from musicssl.report.analysis.probe_study import read_probe_study
from musicssl.report.analysis.study import read_studies
from musicssl.report.write import view
from musicssl.report.write.formats import md
from musicssl.report.write.view import view_report
from tests.support.report_page import Page
from tests.support.synthetic_probes import UNTRAINED, source, write_probe
from tests.support.synthetic_runs import write_sweep


@pytest.fixture
def folders(tmp_path):
    """Runs, and probes beside them."""
    write_sweep(tmp_path / "runs", {"att": 0.4, "best": 1.1}, fractions=(0.1, 0.5))
    write_probe(tmp_path / "probes" / "u", UNTRAINED)
    write_probe(tmp_path / "probes" / "m", source("simclr"))
    return tmp_path / "runs", tmp_path / "probes"


def test_sentences_and_tables_are_worked_out_once(folders, tmp_path, monkeypatch):
    calls = []
    counted = ("verdict", "notes", "runs_table", "comparisons_table", "labels_needed_table")
    for name in (*counted, "probe_verdict", "left_out", "probe_results_table"):
        original = getattr(view, name)

        def note(*arguments, name=name, original=original):
            calls.append(name)
            return original(*arguments)

        monkeypatch.setattr(view, name, note)
    main([*map(str, folders), "--out", str(tmp_path / "out")])
    assert sorted(calls) == sorted({*calls})
    assert {"verdict", "notes", "runs_table", "probe_verdict", "left_out"} < {*calls}


def test_every_format_has_all_findings_and_tables(folders, tmp_path, capsys):
    runs, probes = folders
    report = view_report(read_studies([runs]), read_probe_study([probes]))
    main([*map(str, folders), "--out", str(tmp_path / "out")])
    printed = capsys.readouterr().out
    page = Page(tmp_path / "out" / "index.html").text
    words = (tmp_path / "out" / "table.md").read_text()
    latex = (tmp_path / "out" / "table.tex").read_text()
    [section] = report.sections
    findings = [*section.findings, *report.probes.verdict]
    assert len(findings) == 4  # two fractions of labels of runs, and two of probes
    for sentence in findings:
        assert sentence in printed
        assert sentence in page
        assert f"- {md(sentence)}\n" in words
    assert all(f"- {md(sentence)}\n" in words for sentence in section.matches)
    for table in report.tables:
        assert table.caption in page
        assert words.count(f"| {table.heads[0]} | {table.heads[1]}") >= 1
        for label, cells in table.rows:
            assert label in page
            assert md(label) in words
            assert all(cell.text in page for cell in cells)
            assert all(md(cell.text) in words for cell in cells)
    assert latex.count(r"\begin{tabular}") == len(report.tables) == words.count("\n|---")
    assert printed.count("\n|---") == len([*section.screen_tables, *report.probes.tables])
    assert section.screen_tables < section.tables
