"""One metric sums up a run: in the table of a sweep, and in the report about it."""

import json
from dataclasses import asdict

import numpy as np
import pytest

from musicssl.cli.job import attempt
from musicssl.data.label_count import LabelCount
from musicssl.evaluation.predictions import Predictions, measure
from musicssl.report.__main__ import main as report
from musicssl.report.write.notes import notes
from musicssl.report.write.verdicts import verdict
from musicssl.runs.folder import RunFolder
from tests.support.report_page import Page
from tests.support.studies import read_study
from tests.support.synthetic_runs import TRAIN, settings, write_sweep

KEYS = ("C", "G", "D")
CREDIT = np.array([[1, 0.5, 0], [0.5, 1, 0.5], [0, 0.5, 1]], np.float32)


def write_keys(folder, config, quality, credit=CREDIT):
    """Write a complete run that tells the key of a clip."""
    files = RunFolder(folder)
    files.claim(config)
    keys = np.random.default_rng(9).integers(3, size=80)
    targets = np.eye(3, dtype=np.float32)[keys]
    rng = np.random.default_rng([config["seed"], round(1e6 * config["data"]["p_s"])])
    logits = np.exp(quality * targets + rng.normal(size=targets.shape))
    scores = (logits / logits.sum(axis=1, keepdims=True)).astype(np.float32)
    clip_ids = np.array([f"clip-{row:03d}" for row in range(len(keys))])
    mask = np.ones(targets.shape, bool)
    predictions = Predictions(KEYS, clip_ids, scores, targets, mask, "multi_class")
    predictions.save(files.path / "predictions.npz")
    metrics = measure(predictions, credit)
    document = {
        "macro": metrics.macro,
        "per_class": {name: column.tolist() for name, column in metrics.per_class.items()},
        "classes": list(KEYS),
        "labels": asdict(LabelCount(TRAIN, round(TRAIN * config["data"]["p_s"]), ())),
        "best_epoch": 1,
        "localisation": None,
    }
    files.metrics.write_text(json.dumps(document))
    return files.path


@pytest.fixture
def sweep(tmp_path):
    for name, quality in (("att", 0.2), ("good", 2.0)):
        for p_s in (0.1, 0.5):
            for seed in (0, 1, 2):
                folder = tmp_path / "runs" / name / f"p{p_s}_s{seed}"
                write_keys(folder, settings(name, seed, p_s), quality * (0.5 + p_s))
    return tmp_path / "runs"


def in_sweep(folder):
    """What the table of a sweep says of a run."""
    return attempt(lambda: None, RunFolder(folder), parallel=False).result


def weighted_accuracies(sweep, name, p_s):
    folders = [sweep / name / f"p{p_s}_s{seed}" for seed in (0, 1, 2)]
    documents = [json.loads((folder / "metrics.json").read_text()) for folder in folders]
    return [document["macro"]["weighted_accuracy"] for document in documents]


def test_the_report_of_a_sweep_is_about_the_metric_of_its_table(sweep, tmp_path, capsys):
    value = weighted_accuracies(sweep, "att", 0.1)[0]
    assert in_sweep(sweep / "att" / "p0.1_s0") == f"weighted accuracy {value:.3f}"
    study = read_study([sweep])
    assert study.metric == "weighted_accuracy"
    report([str(sweep), "--out", str(tmp_path / "out")])
    assert capsys.readouterr().out.startswith("weighted accuracy, 3 seeds")
    page = Page(tmp_path / "out" / "index.html")
    for text in (
        "Weighted accuracy of 2 methods",
        "Weighted accuracy over labelled clips",
        "reaches the same weighted accuracy",
        "seedweighted accuracybest epoch",  # heads of the table of runs
    ):
        assert text in page.text


def test_without_a_credit_it_is_accuracy(tmp_path):
    for seed in (0, 1):
        folder = write_keys(tmp_path / f"{seed}", settings(seed=seed), 1.0, credit=None)
    assert in_sweep(folder).startswith("accuracy 0.")
    assert read_study([tmp_path]).metric == "accuracy"


def test_of_labels_and_values_too_both_agree(tmp_path):
    write_sweep(tmp_path, {"att": 0.4}, fractions=(0.1,))
    assert in_sweep(tmp_path / "att" / "p0.1_b1.0_s0").startswith("AUROC 0.")
    assert read_study([tmp_path]).metric == "auroc"


def test_the_verdict_has_both_metrics_where_another_one_is_tested(sweep):
    study = read_study([sweep])
    at_ten, at_half = verdict(study)
    assert "At 10 % of the labels (100 clips) good measures +0." in at_ten
    assert " AUROC against att over 3 seeds;" in at_ten
    for p_s, line in ((0.1, at_ten), (0.5, at_half)):
        good, att = (np.mean(weighted_accuracies(sweep, name, p_s)) for name in ("good", "att"))
        assert line.endswith(
            f" The weighted accuracy of good is {good:.4f}, that of att {att:.4f}."
        )


def test_it_is_said_which_metric_is_shown_and_which_is_tested(sweep, tmp_path):
    sentence = (
        "Tables and curves are of weighted accuracy. Differences between methods are tested on "
        "macro AUROC, whose variance over test clips is known."
    )
    assert sentence in notes(read_study([sweep]))
    report([str(sweep), "--out", str(tmp_path / "out")])
    assert sentence in Page(tmp_path / "out" / "index.html").text
    assert sentence in (tmp_path / "out" / "table.md").read_text()
    chosen = read_study([sweep], "f1")
    [line] = [line for line in notes(chosen) if "are tested on" in line]
    assert line.startswith("Tables and curves are of F1. Differences between methods are tested on")
    assert not [line for line in notes(read_study([sweep], "auroc")) if "are tested on" in line]
