"""Oracle: tables that are written by hand beside runs, and what a report makes of them."""

import csv

import numpy as np
import pytest

from musicssl.evaluation.robustness_table import Robustness
from musicssl.report.__main__ import main
from musicssl.report.analysis.study import read_studies
from musicssl.runs.folder import RunFolder
from tests.support.report_page import Page
from tests.support.studies import read_study
from tests.support.synthetic_runs import settings, write_run

HARM = {"gain": 0.001, "reverb": 0.02, "bit_crush": 0.01}  # of AUROC, for each unit of severity


def auroc(views, seed, name="gain", severity=0.0):
    """Views of a greater severity make what is learnt more robust; seeds differ by 0.01."""
    return 0.8 + 0.01 * seed - HARM[name] * severity * (5 - views) / 5


def write_robustness(folder, views, seed, names=tuple(HARM), severities=(1.0, 5.0)):
    judged = {
        (name, severity): {"f1": 0.3, "auroc": auroc(views, seed, name, severity)}
        for name in names
        for severity in severities
    }
    table = Robustness({"f1": 0.4, "auroc": auroc(views, seed)}, judged)
    table.write(RunFolder(folder).robustness)


def write_severities(root, p_s=0.1, tested=True):
    """Write runs as `sweep=severity` leaves them, which differ in their views."""
    for views in (0, 2):
        for seed in (0, 1):
            config = settings("semisupcon", seed, p_s)
            config["views"] = {
                "_target_": "musicssl.augment.views.published_views",
                "severity": views,
            }
            config["method"]["views"] = dict(config["views"])
            folder = write_run(root / f"v{views}_p{p_s}_s{seed}", config)
            if tested:
                write_robustness(folder, views, seed)
    return root


LABELS = ("semisupcon (views.severity=0)", "semisupcon (views.severity=2)")


@pytest.fixture
def runs(tmp_path):
    return write_severities(tmp_path / "runs")


def test_runs_of_a_sweep_over_severities_are_methods_and_means_are_over_their_seeds(runs):
    found = read_study([runs]).robustness
    assert tuple(found.tables) == LABELS
    for views, label in zip((0, 2), LABELS, strict=True):
        means = found.means[label]
        assert means.severities == (1.0, 5.0)
        for name in HARM:
            points = [(0, "clean"), *((s, name) for s in (1, 5))]
            expected = [np.mean([auroc(views, k, name, s) for k in (0, 1)]) for s, _ in points]
            assert means.curve(name, "auroc") == pytest.approx(expected)


def test_the_table_is_of_the_largest_severity_and_the_most_harmful_corruption_is_first(runs):
    grid = read_study([runs]).robustness.grid
    assert grid.title == "AUROC at severity 5 and 10 % of the labels"
    assert grid.columns == ("clean", "reverb", "bit crush", "gain")
    [_, reverb, *_] = grid.rows[LABELS[1]]
    values = [auroc(2, seed, "reverb", 5.0) for seed in (0, 1)]
    assert (reverb.n, reverb.mean, reverb.sd) == pytest.approx(
        (2, np.mean(values), np.std(values, ddof=1))
    )
    assert grid.is_best(LABELS[1], 1)
    assert not grid.is_best(LABELS[0], 1)


def test_another_metric_of_the_tables_may_be_chosen_and_one_they_lack_is_replaced(runs):
    assert read_study([runs], "f1").robustness.metric == "f1"
    assert read_study([runs], "precision").robustness.metric == "auroc"


def test_the_page_the_tables_and_the_picture_show_it(runs, tmp_path, capsys):
    out = tmp_path / "out"
    main([str(runs), "--out", str(out)])
    assert "left out" not in capsys.readouterr().out
    page = Page(out / "index.html")
    assert page.open == []
    assert "Corrupted sound" in page.text
    assert page.text.count("Severity says how much a corruption changes the sound") == 1
    assert len(page.addresses) == 2  # by class, and under corruptions
    assert (out / "robustness.png").is_file()
    assert "AUROC at severity 5 and 10 % of the labels, 2 seeds" in (out / "table.md").read_text()
    assert "AUROC at severity 5 and 10" in (out / "table.tex").read_text()
    with (out / "robustness.csv").open() as file:
        rows = {(r["method"], r["corruption"], r["severity"]): r for r in csv.DictReader(file)}
    assert len(rows) == 2 * (1 + 3 * 2)
    row = rows[LABELS[0], "bit_crush", "1.0"]
    assert float(row["mean"]) == pytest.approx(auroc(0, 0.5, "bit_crush", 1.0))
    assert (row["metric"], row["n"], row["p_s"]) == ("auroc", "2", "0.1")
    assert float(rows[LABELS[0], "none", "0.0"]["mean"]) == pytest.approx(auroc(0, 0.5))


def left_out(root, out, capsys):
    """What a report says is left out; nothing of it is on the page or beside it."""
    main([str(root), "--out", str(out)])
    page = Page(out / "index.html")
    assert "Corrupted sound" not in page.text
    assert not list(out.glob("robustness.*"))
    lines = [line for line in capsys.readouterr().out.splitlines() if "left out" in line]
    assert all(line in page.text for line in lines)
    return lines


def test_if_some_runs_were_not_tested_it_is_left_out_in_one_sentence(runs, tmp_path, capsys):
    main([str(runs), "--out", str(tmp_path / "out")])
    capsys.readouterr()
    for seed in (0, 1):
        write_run(runs / f"att{seed}", settings("att", seed))
    assert left_out(runs, tmp_path / "out", capsys) == [
        "Results under corruptions of sound are left out: 4 of 6 runs have a robustness.csv, "
        "which corruption=all writes."
    ]


@pytest.mark.parametrize("other", [{"names": ("gain",)}, {"severities": (1.0, 2.0)}])
def test_if_runs_were_tested_differently_it_is_left_out(runs, tmp_path, capsys, other):
    write_robustness(runs / "v0_p0.1_s1", 0, 1, **other)
    assert left_out(runs, tmp_path / "out", capsys) == [
        "Results under corruptions of sound are left out: the runs differ in the corruptions or "
        "severities that they were tested under."
    ]


def test_if_no_run_was_tested_nothing_is_said(tmp_path, capsys):
    runs = write_severities(tmp_path / "runs", tested=False)
    assert left_out(runs, tmp_path / "out", capsys) == []


def test_of_several_fractions_the_largest_is_shown_at_which_all_runs_were_tested(runs):
    write_severities(runs, 0.5)
    write_severities(runs, 1.0, tested=False)
    assert read_study([runs]).robustness.p_s == 0.5


def test_methods_without_a_common_fraction_are_not_compared(runs, tmp_path, capsys):
    write_robustness(write_run(runs / "att", settings("att", 0, 0.5)), 0, 0)
    assert left_out(runs, tmp_path / "out", capsys) == [
        "Results under corruptions of sound are left out: the methods have no fraction of labels "
        "in common."
    ]


def test_a_damaged_table_is_named(runs):
    file = RunFolder(runs / "v0_p0.1_s0").robustness
    file.write_text("corruption,severity\n")
    [sentence] = read_studies([runs]).left_out
    assert sentence.startswith(f"Left out: {file} is damaged")
