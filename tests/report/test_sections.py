"""Folders with runs that do not compare. Oracle: what was put into them by hand."""

import csv

import pytest

from musicssl.report.__main__ import main
from musicssl.report.analysis.study import read_studies
from musicssl.runs.folder import RunFolder
from tests.support.report_page import FILES, Page
from tests.support.synthetic_probes import UNTRAINED, source, write_probe
from tests.support.synthetic_runs import settings, truth, write_run, write_sweep


def report(*arguments):
    main([str(argument) for argument in arguments])


def other_corpus(name="att", seed=0, p_s=0.1, **changes):
    config = settings(name, seed, p_s, **changes)
    config["dataset"] |= {"_target_": "musicssl.datasets.openmic.OpenMic"}
    return config


@pytest.fixture
def mixed(tmp_path):
    """Two corpora, one in two versions of its labels, two settings of a method, broken runs."""
    runs = tmp_path / "runs"
    write_sweep(runs / "tiny", {"att": 0.4, "best": 1.1}, fractions=(0.1,), seeds=range(5))
    for seed in range(5):
        write_run(runs / f"openmic_{seed}", other_corpus("best", seed), 0.3)
        write_run(runs / f"openmic_fc_{seed}", other_corpus("fc", seed), 2.0)
        write_run(runs / f"dropout_{seed}", settings("att", seed, dropout=0.1), 0.4)
    write_run(runs / "labels", settings("att"), test=truth(seed=7))
    broken = write_run(runs / "broken", settings("att", 9))
    (broken / "metrics.json").write_bytes(b"\xff\xfe{")
    RunFolder(runs / "late").claim(settings("late"))
    return runs


def test_what_does_not_compare_is_in_sections_and_what_is_broken_is_named(mixed):
    studies = read_studies([mixed])
    assert {one.title: [method.label for method in one.methods] for one in studies.sections} == {
        "OpenMic": ["best", "fc"],
        "Tiny, 1 of 2": ["att (encoder.dropout=0.1)", "att (encoder.dropout=0.6)", "best"],
        "Tiny, 2 of 2": ["att"],
    }
    [sentence] = studies.left_out
    assert sentence.startswith(f"Left out: {mixed / 'broken' / 'metrics.json'} is missing or dam")
    assert studies.unfinished == [mixed / "late"]


def test_the_page_has_a_verdict_and_tables_of_each_section(mixed, tmp_path, capsys):
    out = tmp_path / "out"
    report(mixed, "--out", out)
    printed = capsys.readouterr().out
    page = Page(out / "index.html")
    words = (out / "table.md").read_text()
    assert page.open == []
    assert page.text.count("Verdict") == page.text.count("Class by class") == 3
    for text in (printed, page.text, words):
        assert "fc beats best: +" in text
        assert "best beats att (encoder.dropout=0.1): +" in text
        assert "There is one method, att: nothing to compare it with." in text
        assert text.count("is missing or damaged") == 1
        assert text.count("Left out because they are not finished: ") == 1
    for number in (1, 2, 3):
        found = {path.name for path in (out / f"section_{number}").iterdir()}
        assert (
            {"table.csv", "comparisons.csv", "per_class.png"}
            <= found
            <= FILES
            | {
                "best_settings.csv",
                "best_settings_comparisons.csv",
            }
        )
    assert {path.name for path in out.iterdir() if path.is_file()} == {
        *("index.html", "table.md", "table.tex")
    }
    with (out / "section_1" / "table.csv").open() as file:
        assert {row["method"] for row in csv.DictReader(file)} == {"best", "fc"}
    assert r"\caption{OpenMic: at 10 \% of the labels" in (out / "table.tex").read_text()


def test_files_of_sections_that_are_no_more_are_removed(mixed, tmp_path):
    out = tmp_path / "out"
    report(mixed, "--out", out)
    (out / "section_2" / "mine.txt").write_text("a note")
    report(mixed / "tiny", "--out", out)
    assert {path.name for path in out.iterdir()} == FILES - {"curve.png"} | {"section_2"}
    assert [path.name for path in (out / "section_2").iterdir()] == ["mine.txt"]


def test_one_section_is_the_page_of_its_runs_alone(mixed, tmp_path):
    report(mixed / "tiny", "--out", tmp_path / "alone")
    report(mixed / "tiny", mixed / "broken", "--out", tmp_path / "beside")
    alone = Page(tmp_path / "alone" / "index.html").text
    beside = Page(tmp_path / "beside" / "index.html").text
    [line] = [line for line in beside.splitlines() if "is missing or damaged" in line]
    assert beside.replace(f"{line}\n", "") == alone


def test_runs_that_validated_on_other_clips_are_another_section(tmp_path):
    for place, split_seed in enumerate((0, 1)):
        config = settings("att")
        config["data"]["split_seed"] = split_seed
        write_run(tmp_path / str(place), config)
    titles = [study.title for study in read_studies([tmp_path]).sections]
    assert titles == ["Tiny (data.split_seed=0)", "Tiny (data.split_seed=1)"]


def test_test_clips_and_corpus_settings_name_their_section(tmp_path):
    write_run(tmp_path / "a", settings())
    write_run(tmp_path / "b", settings(), test=truth(61))
    write_run(tmp_path / "c", other_corpus())
    titles = [study.title for study in read_studies([tmp_path]).sections]
    assert titles == ["OpenMic", "Tiny (test.clips=60)", "Tiny (test.clips=61)"]
    write_run(tmp_path / "d", settings(corpus_seed=3))
    titles = [study.title for study in read_studies([tmp_path / "a", tmp_path / "d"]).sections]
    assert titles == ["Tiny (dataset.seed=0)", "Tiny (dataset.seed=3)"]


def test_metric_and_baseline_are_those_of_the_sections_that_have_them(mixed, tmp_path, capsys):
    first, second, _ = read_studies([mixed], "f1", "best").sections
    assert (first.baseline.label, second.baseline.label) == ("best", "best")
    assert {study.metric for study in (first, second)} == {"f1"}
    first, second, _ = read_studies([mixed], baseline="fc").sections
    assert (first.baseline.label, second.baseline.label) == ("fc", "att (encoder.dropout=0.1)")
    for option, message in (
        (("--baseline", "nobody"), "error: no method is called nobody; set --baseline to one of: "),
        (("--metric", "acuracy"), "error: no run has the metric acuracy; choose one of: auroc, "),
    ):
        with pytest.raises(SystemExit, match="2"):
            report(mixed, "--out", tmp_path / "out", *option)
        assert capsys.readouterr().err.startswith(message)
    assert not (tmp_path / "out").exists()


def test_probes_are_shown_below_all_sections(mixed, tmp_path, capsys):
    write_probe(mixed / "probes" / "u", UNTRAINED)
    write_probe(mixed / "probes" / "m", source("simclr"))
    report(mixed, "--out", tmp_path / "out")
    page = Page(tmp_path / "out" / "index.html").text
    assert page.count("Verdict") == 3
    assert page.index("Results of probe.py") > page.rindex("Verdict")
    assert "simclr measures" in capsys.readouterr().out


def test_where_nothing_can_be_shown_the_reason_is_one_line(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    with pytest.raises(SystemExit, match="2"):
        report(tmp_path / "empty", "--out", tmp_path / "out")
    assert "no complete run under" in capsys.readouterr().err
    broken = write_run(tmp_path / "broken", settings())
    (broken / "predictions.npz").write_bytes(b"")
    with pytest.raises(SystemExit, match="2"):
        report(tmp_path, "--out", tmp_path / "out")
    error = capsys.readouterr().err
    assert error.startswith(f"error: there is no complete run under {tmp_path}. Left out: {broken}")
    assert len(error.splitlines()) == 1
