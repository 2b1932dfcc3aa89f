"""`python -m musicssl.report` as its users meet it: files, page, sentences, mistakes."""

import csv
import json

import numpy as np
import pytest

from musicssl.documents import without_checksum, write_json
from musicssl.report.__main__ import main
from musicssl.runs.folder import RunFolder
from tests.support import training_command
from tests.support.report_page import FILES, SORTING, Page
from tests.support.studies import read_study
from tests.support.synthetic_runs import settings, write_run, write_sweep


@pytest.fixture
def sweep(tmp_path):
    return write_sweep(tmp_path / "runs", {"att": 0.4, "best": 1.1, "same": 0.4})


def report(*arguments):
    main([str(argument) for argument in arguments])


@pytest.mark.pictures
def test_all_files_are_written_and_the_page_stands_alone(sweep, tmp_path, capsys):
    out = tmp_path / "deep" / "out"
    report(sweep, "--out", out)
    assert {path.name for path in out.iterdir()} == FILES
    page = Page(out / "index.html")
    assert page.open == []
    assert len(page.addresses) == 2
    assert all(address.startswith("data:image/png;base64,iVBOR") for address in page.addresses)
    assert not page.used & {"link", "iframe"}
    assert page.script.strip() == SORTING.strip()
    for text in ("Verdict", "Compared with att", "need to match", "Class by class", "27 runs"):
        assert text in page.text
    printed = capsys.readouterr().out
    assert "| method | 2 % (20) | 10 % (100) | 50 % (500) |" in printed
    assert f"Report: {out / 'index.html'}" in printed


@pytest.mark.slow
@pytest.mark.pictures
def test_pictures_for_papers_hold_text_and_go_with_the_next_report(sweep, tmp_path):
    out = tmp_path / "out"
    report(sweep, "--out", out, "--vector")
    vector = {f"{name}.{ending}" for name in ("curve", "per_class") for ending in ("svg", "pdf")}
    assert {path.name for path in out.iterdir()} == FILES | vector
    svg = (out / "curve.svg").read_text()
    assert all(f">{text}</text>" in svg for text in ("att", "best", "same", "AUROC"))
    assert (out / "curve.pdf").read_bytes().startswith(b"%PDF")
    (out / "mine.pdf").write_bytes(b"%PDF")
    before = svg
    report(sweep, "--out", out, "--vector")
    assert (out / "curve.svg").read_text() == before
    report(sweep, "--out", out)
    assert {path.name for path in out.iterdir()} == FILES | {"mine.pdf"}


def test_every_run_is_listed_with_its_best_epoch(sweep, tmp_path):
    report(sweep, "--out", tmp_path / "out")
    page = Page(tmp_path / "out" / "index.html")
    for file in sweep.rglob("metrics.json"):
        auroc = json.loads(file.read_text())["macro"]["auroc"]
        assert f"{auroc:.4f}1{file.parent}" in page.text.replace("\n", "")  # value, epoch, folder


def test_the_long_table_holds_every_mean_and_spread(sweep, tmp_path):
    report(sweep, "--out", tmp_path / "out")
    with (tmp_path / "out" / "table.csv").open() as file:
        rows = {(r["method"], r["p_s"], r["metric"]): r for r in csv.DictReader(file)}
    for metric in ("auroc", "f1_both"):
        values = [
            json.loads((sweep / "best" / f"p0.1_b1.0_s{s}" / "metrics.json").read_text())["macro"]
            for s in range(3)
        ]
        row = rows["best", "0.1", metric]
        assert float(row["mean"]) == pytest.approx(np.mean([v[metric] for v in values]))
        assert float(row["sd"]) == pytest.approx(np.std([v[metric] for v in values], ddof=1))
        assert (row["n"], row["labelled"]) == ("3", "100.0")


def test_the_comparisons_hold_all_pairs(sweep, tmp_path):
    report(sweep, "--out", tmp_path / "out")
    with (tmp_path / "out" / "comparisons.csv").open() as file:
        rows = list(csv.DictReader(file))
    pairs = {(row["p_s"], row["method"], row["other"]) for row in rows}
    assert len(pairs) == len(rows) == 9
    twins = next(row for row in rows if row["method"] == "same" and row["other"] == "att")
    assert [float(twins[key]) for key in ("difference", "p", "p_holm_with_baseline")] == [0, 1, 1]
    assert all(row["p_holm_with_baseline"] == "" for row in rows if row["other"] != "att")


def test_names_are_escaped(tmp_path):
    name = "<script>alert('&')</script>"
    for p_s in (0.1, 0.5):
        write_run(tmp_path / "runs" / f"{p_s}", settings(name, p_s=p_s))
        write_run(tmp_path / "runs" / f"a{p_s}", settings("att", p_s=p_s), quality=0.9)
    report(tmp_path / "runs", "--out", tmp_path / "out")
    page = Page(tmp_path / "out" / "index.html")
    assert page.script.strip() == SORTING.strip()
    assert name in page.text


def test_all_in_which_methods_of_one_name_differ_is_listed(tmp_path):
    for dropout, b_s in ((0.6, 1.0), (0.3, 0.5)):
        config = settings("att", b_s=b_s, dropout=dropout)
        write_run(tmp_path / "runs" / f"d{dropout}", config)
    report(tmp_path / "runs", "--out", tmp_path / "out")
    text = "".join(Page(tmp_path / "out" / "index.html").text.split("\n"))
    assert "all settings in which methods of the same name differ" in text
    assert "methoddata.b_sencoder.dropout" in text  # the heads, and two rows under them
    assert "att (data.b_s=0.5)0.50.3" in text
    assert "att (data.b_s=1)10.6" in text


def test_what_is_not_finished_is_named_in_one_line(sweep, tmp_path, capsys):
    RunFolder(sweep / "late").claim(settings("late"))
    report(sweep, "--out", tmp_path / "out")
    assert f"Left out because they are not finished: {sweep / 'late'}." in capsys.readouterr().out


def test_at_one_fraction_there_is_no_curve_and_one_table_of_all_metrics(tmp_path, capsys):
    out = tmp_path / "out"
    write_sweep(tmp_path / "runs", {"att": 0.4, "b": 0.9}, fractions=(0.1, 0.5))
    report(tmp_path / "runs", "--out", out)
    one = [tmp_path / "runs" / name / f"p0.1_b1.0_s{s}" for name in ("att", "b") for s in range(3)]
    capsys.readouterr()
    report(*one, "--out", out)
    assert {path.name for path in out.iterdir()} == FILES - {"curve.png"}  # the stale one is gone
    printed = capsys.readouterr().out
    assert "| method | AUROC | average precision | F1 | F1, both values |" in printed
    assert "All runs have 10 % of the labels, so there is no curve over labels." in printed


def test_localisation_has_tables_of_its_own(tmp_path, capsys):
    how = {"localisation": {"auroc_weighted": 0.61, "auroc_instance": 0.72}}
    write_sweep(tmp_path / "runs", {"att": 0.4}, fractions=(0.1,), **how)
    report(tmp_path / "runs", "--out", tmp_path / "out")
    assert "instances" not in capsys.readouterr().out
    table = (tmp_path / "out" / "table.md").read_text()
    assert "| att | 0.6100 ± 0.0000 | 0.7200 ± 0.0000 |" in table
    assert "When does a class sound?" in Page(tmp_path / "out" / "index.html").text


def test_another_metric_goes_to_the_main_table_and_the_curve_but_not_to_the_test(sweep):
    study = read_study([sweep], "f1")
    assert study.main_grids[0].title == study.metric_name == "F1"
    assert [one.test for one in study.comparisons] == [
        one.test for one in read_study([sweep]).comparisons
    ]
    assert study.matches != read_study([sweep]).matches


def test_a_metric_from_outside_has_tables_of_its_own(tmp_path, capsys):
    for name, distances in (("att", (0.5, 0.25)), ("b", (0.75, 1.0))):
        for p_s, distance in zip((0.1, 0.5), distances, strict=True):
            folder = write_run(tmp_path / "runs" / f"{name}{p_s}", settings(name, p_s=p_s))
            document = without_checksum(json.loads((folder / "metrics.json").read_text()))
            document["macro"]["distance"] = distance
            write_json(folder / "metrics.json", document)
    report(tmp_path / "runs", "--out", tmp_path / "several")
    text = (tmp_path / "several" / "table.md").read_text()
    table = text[text.index("distance, 1 seed") :]
    assert table.splitlines()[4:6] == [
        "| att | 0.5000 | 0.2500 |",
        "| b | **0.7500** | **1.0000** |",
    ]
    page = Page(tmp_path / "several" / "index.html")
    assert "distance: mean" in page.text
    capsys.readouterr()
    report(*(tmp_path / "runs").glob("*0.1"), "--out", tmp_path / "one")
    printed = capsys.readouterr().out
    assert "| method | AUROC | average precision | F1 | F1, both values |" in printed
    assert "| recall, both values | distance |" in printed
    report(tmp_path / "runs", "--metric", "distance", "--out", tmp_path / "chosen")
    assert capsys.readouterr().out.startswith("distance, 1 seed")


# --- mistakes


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--metric", "acuracy"], "error: no run has the metric acuracy; choose one of: auroc, "),
        (["--baseline", "nobody"], "error: no method is called nobody; set --baseline to one of"),
        (["/nowhere"], "error: there is no folder /nowhere; name folders that hold runs."),
        (["--out", "/dev/null/out"], "error: --out: /dev/null is a file; choose another folder."),
    ],
)
def test_a_mistake_is_one_sentence_and_status_2(sweep, tmp_path, capsys, arguments, message):
    with pytest.raises(SystemExit, match="2"):
        report(sweep, "--out", tmp_path / "out", *arguments)
    printed = capsys.readouterr()
    assert printed.err.startswith(message)
    assert len(printed.err.splitlines()) == 1
    assert not (tmp_path / "out").exists()


# --- the real thing


@pytest.mark.slow
def test_runs_of_train_py_are_understood(tmp_path, capsys):
    forest = ("method.num_trees=3", "method.num_workers=1")
    for method, more in (("att", ()), ("random_forest", forest)):
        training_command.run(
            tmp_path / "runs" / method, f"method={method}", f"name={method}", *more
        )
    report(tmp_path / "runs", "--out", tmp_path / "out")
    assert "| random_forest | " in capsys.readouterr().out
    study = read_study([tmp_path / "runs"])
    assert [method.label for method in study.methods] == ["att", "random_forest"]
    assert study.p_s == [1.0]
    assert study.baseline.cells[1.0].labelled == 84
    assert study.localisation_grids
    assert [method.runs[0].best_epoch is None for method in study.methods] == [False, True]
