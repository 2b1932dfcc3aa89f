"""A study whose targets are values: tables, curve and page, and nothing tested."""

import csv
import json

import numpy as np
import pytest
from sklearn.metrics import r2_score

from musicssl.errors import InputError
from musicssl.report.__main__ import main as report
from musicssl.report.read.evaluation_set import EvaluationSet
from musicssl.report.read.runs import class_scores, read_run, read_runs
from musicssl.report.write.verdicts import verdict
from tests.support.arrays import arrays_in
from tests.support.studies import read_study
from tests.support.synthetic_regression import TARGETS, truth, write_regression
from tests.support.synthetic_runs import settings, write_run

FRACTIONS, SEEDS = (0.1, 0.5), (0, 1, 2)


@pytest.fixture
def sweep(tmp_path):
    """`near` misses less than `att`, and both miss less with more labels."""
    for name, noise in (("att", 0.8), ("near", 0.4)):
        for p_s in FRACTIONS:
            for seed in SEEDS:
                folder = tmp_path / "runs" / name / f"p{p_s}_s{seed}"
                write_regression(folder, settings(name, seed, p_s), noise * (1 - p_s / 2))
    return tmp_path / "runs"


@pytest.mark.slow
def test_a_study_of_a_regression_tabulates_r2(sweep, tmp_path, capsys):
    out = tmp_path / "out"
    report([str(sweep), "--metric", "r2", "--out", str(out)])
    printed = capsys.readouterr().out
    assert printed.startswith("R², 3 seeds")
    assert "Differences in a regression are not tested" in printed
    assert {path.name for path in out.iterdir()} >= {"curve.png", "per_class.png", "index.html"}
    page = (out / "index.html").read_text()
    assert "R² of each class and method, mean over seeds" in page
    assert "Compared with att" not in page
    with (out / "table.csv").open() as file:
        rows = {(r["method"], r["p_s"], r["metric"]): r for r in csv.DictReader(file)}
    saved = [arrays_in(sweep / "near" / f"p0.1_s{seed}" / "predictions.npz") for seed in SEEDS]
    by_hand = [
        np.mean([r2_score(*(s[k][s["mask"][:, c], c] for k in ("targets", "scores")))])
        for s in saved
        for c in range(2)
    ]
    assert float(rows["near", "0.1", "r2"]["mean"]) == pytest.approx(np.mean(by_hand), rel=1e-5)
    with (out / "comparisons.csv").open() as file:
        assert list(csv.DictReader(file)) == []


def test_of_an_error_the_least_is_the_best(sweep):
    by_r2, by_rmse = (read_study([sweep], metric) for metric in ("r2", "rmse"))
    for study in (by_r2, by_rmse):
        [grid] = study.main_grids
        assert [grid.is_best(name, 0) for name in ("att", "near")] == [False, True]
    [lone] = read_study([*sweep.glob("*/p0.1_*")], "r2").main_grids
    assert lone.columns == ("R²", "RMSE", "Pearson correlation")
    assert [lone.is_best("near", column) for column in range(3)] == [True, True, True]


def test_the_labels_that_the_baseline_needs_are_more_by_either_measure(sweep):
    """`near` is better with a tenth of the labels than `att` with half of them."""
    for metric in ("r2", "rmse"):
        matches = read_study([sweep], metric).matches
        assert [match.needed for match in matches] == [np.inf, np.inf]
        reverse = read_study([sweep], metric, "near").matches
        assert [match.needed for match in reverse] == [0, 0]


def test_a_metric_that_no_run_has_is_one_sentence(sweep, tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        report([str(sweep), "--metric", "auroc", "--out", str(tmp_path / "out")])
    error = capsys.readouterr().err
    assert error == "error: no run has the metric auroc; choose one of: pearson, r2, rmse.\n"


def test_without_a_choice_the_metric_is_that_of_the_task(sweep, capsys, tmp_path):
    report([str(sweep), "--out", str(tmp_path / "out")])
    assert capsys.readouterr().out.startswith("R², 3 seeds")


def test_one_method_has_nothing_to_be_compared_with(sweep):
    [sentence] = verdict(read_study([sweep / "att"], "r2"))
    assert sentence.startswith("There is one method, att")


def test_the_scores_of_values_is_scikit_learns_r2():
    targets, mask = truth()
    values = targets + np.float32(0.3)
    test_set = EvaluationSet({}, TARGETS, np.arange(50).astype(str), targets, mask, "regression")
    scores = class_scores(values, test_set)
    assert (scores.metric, scores.influence) == ("r2", None)
    for c in range(2):
        seen = mask[:, c]
        expected = r2_score(targets[seen, c], values[seen, c])
        assert scores.by_class[c] == pytest.approx(expected, rel=1e-5)


def test_predictions_that_are_not_those_of_the_result_are_noticed(sweep):
    folder = sweep / "att" / "p0.1_s0"
    document = json.loads((folder / "metrics.json").read_text())
    document["macro"]["r2"] += 0.01
    (folder / "metrics.json").write_text(json.dumps(document))
    with pytest.raises(InputError, match=r"gives a macro R² of 0\.\d+, metrics\.json beside it"):
        read_run(folder)


def test_targets_that_do_not_vary_are_refused(tmp_path):
    targets, mask = truth()
    test = (np.zeros_like(targets), mask)
    folder = write_regression(tmp_path / "run", settings(), 0.5, test)
    with pytest.raises(InputError, match="no target varies among the test clips; test on more"):
        read_run(folder)


def test_runs_on_other_values_or_of_another_kind_do_not_compare(tmp_path):
    targets, mask = truth()
    first = write_regression(tmp_path / "first", settings(), 0.5)
    row = int(np.flatnonzero(mask[:, 0])[0])
    targets[row, 0] += 0.25
    other = write_regression(tmp_path / "other", settings(seed=1), 0.5, (targets, mask))
    labels = write_run(tmp_path / "labels", settings(seed=1))
    one, two, three = (run.test_set for run in read_runs([first, other, labels]).runs)
    assert one.difference(two) == "1 of their observed test labels differ"
    assert one.difference(three) == "the targets are regression in one and multi_label in the other"


def test_a_run_from_before_tasks_were_told_apart_has_labels(tmp_path):
    folder = write_run(tmp_path / "run", settings())
    with np.load(folder / "predictions.npz") as arrays:
        old = {name: arrays[name] for name in arrays if name != "task"}
    np.savez(folder / "predictions.npz", **old)
    assert read_run(folder).test_set.task == "multi_label"
