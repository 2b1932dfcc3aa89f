"""A run keeps its thresholds in the checkpoint and says what they change."""

import json

import numpy as np
import pytest

from musicssl.errors import InputError
from musicssl.evaluation.decisions import best_thresholds, f1_at
from musicssl.evaluation.predictions import Predictions
from musicssl.runs.checkpoint import Checkpoint, read_checkpoint
from musicssl.runs.checkpoint_writing import AtomicCheckpointIO
from musicssl.runs.decisions import decisions_sentence, write_decisions
from musicssl.runs.folder import RunFolder
from tests.support.training_command import run

pytestmark = pytest.mark.pictures


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return run(tmp_path_factory.mktemp("run"))


@pytest.mark.slow
def test_the_checkpoint_holds_what_metrics_json_says(tmp_path):
    trained = run(tmp_path)
    document = trained.result()["decisions"]
    kept = Checkpoint.read(trained.best).decisions
    assert kept.plain() == {key: document[key] for key in kept.plain()}
    assert (trained.figures / "reliability.png").stat().st_size > 1000
    assert (trained.figures / "thresholds.png").stat().st_size > 1000
    assert len(document["label_shares"]) == len(document["thresholds"])


def test_f1_is_that_of_the_test_predictions(trained):
    """Oracle: predictions.npz."""
    document = trained.result()["decisions"]
    with np.load(trained.path / "predictions.npz") as test:
        columns = test["scores"], test["targets"], test["mask"]
        found = f1_at(np.array(document["thresholds"]), *columns)
        half = f1_at(0.5, *columns)
    assert document["f1"] == pytest.approx(found.tolist(), nan_ok=True)
    assert document["macro_f1"] == pytest.approx(np.nanmean(found))
    assert document["macro_f1_at_half"] == pytest.approx(np.nanmean(half))
    said = decisions_sentence({"decisions": document})
    assert f"{np.nanmean(found):.3f} with the thresholds chosen on validation" in said


def test_thresholds_come_from_validation_alone(tmp_path):
    def predictions(seed):
        rng = np.random.default_rng(seed)
        scores = rng.random((30, 2)).astype(np.float32)
        targets = (scores > 0.3).astype(np.float32)
        ids = np.array([str(i) for i in range(30)])
        return Predictions(("a", "b"), ids, scores, targets, np.ones((30, 2), bool))

    validation, folder = predictions(0), RunFolder(tmp_path)
    first = write_decisions(folder, validation, predictions(1))
    second = write_decisions(folder, validation, predictions(2))
    assert first["thresholds"] == second["thresholds"]
    expected = best_thresholds(validation.scores, validation.targets, validation.mask)
    assert first["thresholds"] == expected.tolist()
    assert not folder.best.exists()  # a method without a network has no checkpoint


def test_damaged_thresholds_are_refused(trained, tmp_path):
    content = read_checkpoint(trained.best)
    for text in ("{", "[]", json.dumps({"thresholds": [0.5]}), 5):
        path = tmp_path / "bad.ckpt"
        AtomicCheckpointIO().save_checkpoint(content | {"decisions": text}, path)
        with pytest.raises(InputError, match="does not say its decision thresholds"):
            _ = Checkpoint.read(path).decisions


def test_events_are_chosen_where_the_corpus_knows_when_classes_sound(trained):
    document = trained.result()["decisions"]
    kept = Checkpoint.read(trained.best).decisions
    assert len(document["event_thresholds"]) == len(document["median_seconds"]) == 3
    assert kept.median_seconds.tolist() == document["median_seconds"]
