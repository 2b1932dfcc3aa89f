"""`python -m musicssl.report` of probes, alone and beside runs."""

import csv

import pytest

from musicssl.report.__main__ import main
from musicssl.report.write.formats import md
from tests.support import synthetic_runs
from tests.support.report_page import FILES, SORTING, Page
from tests.support.synthetic_probes import UNTRAINED, document, source, write_probe

OF_PROBES = {"probes.csv", "probe_comparisons.csv", "probes_gtzan_linear.png"}
ALONE = {"index.html", "table.md", "table.tex"} | OF_PROBES


def report(*arguments):
    main([str(argument) for argument in arguments])


def files(folder):
    return {path.name for path in folder.iterdir()}


@pytest.fixture
def probes(tmp_path):
    write_probe(tmp_path / "probes" / "u", UNTRAINED, (0.1, 0.2))
    for seed in range(2):
        write_probe(tmp_path / "probes" / f"m{seed}", source("<b>simclr</b>", seed))
    return tmp_path / "probes"


def test_probes_alone_make_a_report(probes, tmp_path, capsys):
    out = tmp_path / "out"
    report(probes, "--out", out)
    assert files(out) == ALONE
    page = Page(out / "index.html")
    assert page.open == []
    assert [address[:27] for address in page.addresses] == ["data:image/png;base64,iVBOR"]
    assert not page.used & {"link", "iframe", "b"}
    assert page.script.strip() == SORTING.strip()
    printed = capsys.readouterr().out
    for text in ("Linear probe of gtzan", "chance 0.5000", "<b>simclr</b>", "untrained_cnn"):
        assert text in page.text
        assert text in printed
        assert md(text) in (out / "table.md").read_text()
    assert "the draw of labelled" not in page.text
    assert "How the numbers were made" in page.text
    assert "DeLong" not in page.text  # how runs are compared
    for folder in probes.iterdir():
        assert str(folder) in page.text


@pytest.mark.slow
def test_probes_beside_runs_are_sections_of_their_report(probes, tmp_path):
    runs, out = tmp_path / "runs", tmp_path / "out"
    synthetic_runs.write_sweep(runs, {"att": 0.4, "best": 1.1}, fractions=(0.1, 0.5))
    report(runs, "--out", out)
    before = Page(out / "index.html")
    table = (out / "table.csv").read_bytes()
    report(runs, probes, "--out", out)
    assert files(out) == FILES | OF_PROBES
    page = Page(out / "index.html")
    main_part, how = before.text.split("How the numbers were made")
    assert page.text.startswith(main_part)  # nothing of the runs is another
    assert how.strip() in page.text
    assert "Linear probe of gtzan" in page.text.removeprefix(main_part)
    assert len(page.addresses) == len(before.addresses) + 1
    assert (out / "table.csv").read_bytes() == table
    report(runs, "--out", out)
    assert files(out) == FILES  # the stale ones are gone
    assert Page(out / "index.html").text == before.text
    report(probes, "--out", out)
    assert files(out) == ALONE


def test_probes_in_the_folder_of_their_run_leave_the_run_as_it_is(tmp_path, capsys):
    run = synthetic_runs.write_run(tmp_path / "run", synthetic_runs.settings())
    write_probe(run / "probes" / "gtzan")
    late = write_probe(run / "probes" / "late")
    (late / "probe.json").unlink()
    report(tmp_path, "--out", tmp_path / "out")
    printed = capsys.readouterr().out
    assert printed.count("Left out because they are not finished: ") == 1
    assert "Linear probe of gtzan: there is one model, simclr" in printed
    assert "There is one method, att" in printed


def test_the_long_tables_hold_every_mean_and_comparison(probes, tmp_path):
    report(probes, "--out", tmp_path / "out")
    with (tmp_path / "out" / "probes.csv").open() as file:
        rows = {(r["model"], r["p_s"], r["metric"]): r for r in csv.DictReader(file)}
    cell = document(probes / "u")["cells"][0]
    row = rows["untrained_cnn", "0.1", "auroc"]
    low, high = cell["interval"]["auroc"]
    for name, value in (("mean", cell["mean"]["auroc"]), ("low", low), ("high", high)):
        assert float(row[name]) == value
    assert (row["sd"], row["n"], row["labelled"], row["chance"]) == ("", "1", "100", "0.5")
    row = rows["<b>simclr</b>", "1.0", "f1"]
    values = [document(probes / f"m{s}")["cells"][1]["mean"]["f1"] for s in range(2)]
    assert float(row["mean"]) == pytest.approx(sum(values) / 2)
    assert float(row["sd"]) == pytest.approx(abs(values[0] - values[1]) / 2**0.5)
    assert (row["low"], row["chance"]) == ("", "")
    with (tmp_path / "out" / "probe_comparisons.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["p_s"], row["model"], row["other"]) for row in rows] == [
        ("0.1", "<b>simclr</b>", "untrained_cnn"),
        ("1.0", "<b>simclr</b>", "untrained_cnn"),
    ]
    assert float(rows[1]["low"]) > 0


def test_several_corpora_have_a_matrix_and_a_picture_each(probes, tmp_path, capsys):
    write_probe(tmp_path / "probes" / "n", corpus="nsynth", task="multi_class")
    write_probe(tmp_path / "probes" / "o", corpus="one", fractions=(1.0,), qualities=(1.0,))
    report(probes, "--out", tmp_path / "out")
    assert "linear probes of 3 corpora at the most labels" in capsys.readouterr().out
    assert files(tmp_path / "out") == ALONE | {"probes_nsynth_linear.png"}  # one fraction: none


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--metric", "acuracy"], "error: no probe has the metric acuracy; choose one of: auroc, "),
        (["--baseline", "nobody"], "error: no model is called nobody; set --baseline to one of: "),
        (["/nowhere"], "error: there is no folder /nowhere; name folders that hold runs."),
    ],
)
def test_a_mistake_is_one_sentence_and_status_2(probes, tmp_path, capsys, arguments, message):
    with pytest.raises(SystemExit, match="2"):
        report(probes, "--out", tmp_path / "out", *arguments)
    printed = capsys.readouterr()
    assert printed.err.startswith(message)
    assert len(printed.err.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_probes_of_a_checkpoint_that_was_replaced_are_named(tmp_path, capsys):
    run = synthetic_runs.write_run(tmp_path / "runs" / "run", synthetic_runs.settings("simclr"))
    (run / "checkpoints").mkdir(exist_ok=True)
    (run / "checkpoints" / "best.ckpt").write_bytes(b"other training")
    judged = source() | {"checkpoint": "0" * 64}
    probe = write_probe(run / "probes" / "gtzan" / "linear", judged)
    report(tmp_path / "runs", "--out", tmp_path / "alone")
    assert str(probe) in capsys.readouterr().out
    write_probe(tmp_path / "runs" / "cnn", UNTRAINED)
    report(tmp_path / "runs", "--out", tmp_path / "beside")
    assert str(probe) in capsys.readouterr().out
    assert str(probe) in (tmp_path / "beside" / "index.html").read_text()
