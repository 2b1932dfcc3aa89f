"""What a run leaves, for each kind of targets: files that agree with scikit-learn."""

import csv
import json

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, r2_score, roc_auc_score

from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.evaluation.predictions import Predictions, measure
from musicssl.methods.random_forest import RandomForest
from musicssl.report.read.runs import read_run
from musicssl.runs.history import read_history
from musicssl.runs.results import show_results
from tests.support.arrays import arrays_in
from tests.support.tiny import Tiny
from tests.support.training_command import run


def run_of(folder, dataset, *overrides):
    """Train on one of the corpora of `tests.support.kinds`."""
    target = (f"dataset._target_=tests.support.kinds.{dataset}", "pooling=mean")
    return run(folder, *target, *overrides)


@pytest.mark.slow
@pytest.mark.pictures
def test_a_run_of_one_class_a_clip(tmp_path, capsys):
    folder = run_of(tmp_path / "run", "OneClass", "select=val/accuracy")
    saved = arrays_in(folder.path / "predictions.npz")
    scores, targets = saved["scores"], saved["targets"]
    np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-5)
    document = json.loads(folder.metrics.read_text())
    accuracy = accuracy_score(targets.argmax(axis=1), scores.argmax(axis=1))
    assert document["macro"]["accuracy"] == pytest.approx(accuracy)
    assert "accuracy" not in document["per_class"]
    reported = read_run(folder.path)
    np.testing.assert_allclose(reported.scores.by_class, document["per_class"]["auroc"], atol=1e-6)
    with (folder.path / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert float(rows[-1]["accuracy"]) == pytest.approx(accuracy)
    assert [row["accuracy"] for row in rows[:-1]] == ["", "", ""]
    figures = {path.name for path in folder.figures.iterdir()}
    assert {"per_class.png", "training.png", "confusion.png"} < figures
    assert sum(name.startswith("timeline_") for name in figures) == 3
    capsys.readouterr()
    show_results(folder)
    assert f"accuracy {accuracy:.3f}, balanced accuracy 0." in capsys.readouterr().out


@pytest.mark.pictures
def test_a_run_of_a_regression(tmp_path, capsys):
    folder = run_of(tmp_path / "run", "Values", "select=val/r2")
    saved = arrays_in(folder.path / "predictions.npz")
    document = json.loads(folder.metrics.read_text())
    for c in range(3):
        seen = saved["mask"][:, c]
        expected = r2_score(saved["targets"][seen, c], saved["scores"][seen, c])
        assert document["per_class"]["r2"][c] == pytest.approx(expected, rel=1e-4)
    reported = read_run(folder.path)
    np.testing.assert_allclose(reported.scores.by_class, document["per_class"]["r2"])
    assert document["localisation"] is None
    figures = {path.name for path in folder.figures.iterdir()}
    assert figures == {"per_class.png", "training.png", "predictions.png"}
    capsys.readouterr()
    show_results(folder)
    assert "RMSE" in capsys.readouterr().out


def test_validation_is_measured_with_the_weights_that_are_kept(tmp_path):
    """What was logged at the epoch whose weights were kept, and no other, is found again."""
    recipe = ("optimizer=adam", "optimizer.lr=0.1", "schedule=constant", "encoder.dropout=0.6")
    recipe += ("encoder.standardise=false", "select=val/loss")
    folder = run_of(tmp_path / "run", "Values", "trainer.max_epochs=3", *recipe)
    document = json.loads(folder.metrics.read_text())
    logged, best = read_history(folder.history), document["best_epoch"]
    assert best < 2
    validated = document["validation"]
    for name, value in validated["macro"].items():
        assert logged[best][f"val/{name}"] == pytest.approx(value, abs=1e-5)
        assert logged[2][f"val/{name}"] != pytest.approx(value, abs=1e-5)
    assert validated.keys() == {"macro", "per_class"}
    assert validated["per_class"].keys() == document["per_class"].keys()
    assert np.mean(validated["per_class"]["r2"]) == pytest.approx(validated["macro"]["r2"])
    np.testing.assert_allclose(read_run(folder.path).validation, validated["per_class"]["r2"])


def test_a_forest_leaves_validation_too_of_the_labels_that_the_run_may_see(tmp_path):
    few = ("method=random_forest", "method.num_workers=1", "method.num_trees=5")
    folder = run(tmp_path / "run", *few, "data.p_cells=0.5")
    document = json.loads(folder.metrics.read_text())
    datamodule = SemiSupervisedDataModule(Tiny(), p_cells=0.5)
    datamodule.setup()
    forest = RandomForest(num_features=8, num_instances=5, num_classes=3, num_trees=5)
    forest.fit(datamodule.clips("train"))
    val = datamodule.clips("val")
    for c in range(3):
        seen = val.mask[:, c]
        expected = roc_auc_score(val.y[seen, c], forest.scores(val)[seen, c])
        validated = document["validation"]["per_class"]
        assert validated["auroc"][c] == pytest.approx(expected)
        assert validated["observed"][c] == int(seen.sum()) < len(seen)


def answers(task="multi_class"):
    rng = np.random.default_rng(0)
    scores = rng.dirichlet(np.ones(4), 50).astype(np.float32)
    targets = np.eye(4, dtype=np.float32)[rng.integers(4, size=50)]
    ids = np.arange(50).astype(str)
    return Predictions(("a", "b", "c", "d"), ids, scores, targets, targets >= 0, task)


def test_credit_makes_a_weighted_accuracy():
    predictions = answers()
    credit = np.random.default_rng(1).random((4, 4)).astype(np.float32)
    pairs = zip(predictions.scores.argmax(1), predictions.targets.argmax(1), strict=True)
    expected = np.mean([credit[answer, right] for answer, right in pairs])
    found = measure(predictions, credit).macro
    assert found["weighted_accuracy"] == pytest.approx(expected, rel=1e-6)
    assert "weighted_accuracy" not in measure(predictions).macro
