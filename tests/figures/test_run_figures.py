"""Which pictures a run gets, and of what: the drawing itself is tested beside its modules."""

import dataclasses
from dataclasses import dataclass

import numpy as np
import pytest

from musicssl.audio.log_mel import LogMel
from musicssl.evaluation.predictions import InstancePredictions, Predictions
from musicssl.figures import run_figures
from tests.support.tiny import Tiny


@pytest.fixture
def drawn(monkeypatch):
    """What would have been drawn: the arguments of each picture, by the name of its function."""
    calls = {}
    for name in (
        *("attention_timeline", "confusion", "per_class_bars", "scatter", "training_curves"),
    ):

        def keep(*arguments, name=name):
            calls.setdefault(name, []).append(arguments)

        monkeypatch.setattr(run_figures, f"draw_{name}", keep)
    monkeypatch.setattr(run_figures, "save_png", lambda path, figure: path)
    return calls


@dataclass(frozen=True)
class Tones:
    """A tone in each recording, of so many seconds, whose pitch is its row."""

    seconds: tuple[float, ...]
    sample_rate: int = 8000

    @property
    def lengths(self):
        return np.array([round(self.sample_rate * s) for s in self.seconds])

    def samples(self, row):
        time = np.arange(self.lengths[row]) / self.sample_rate
        return np.sin(2 * np.pi * 200 * (row + 1) * time).astype(np.float32)

    def read(self, rows, starts, num_samples):
        assert (starts == 0).all()
        found = [self.samples(row)[:num_samples] for row in rows]
        return np.stack([np.pad(one, (0, num_samples - len(one))) for one in found])


def instances(lengths, num_classes=3):
    rng = np.random.default_rng(0)
    scores, weights = rng.random((2, len(lengths), max(lengths), num_classes)).astype(np.float32)
    return InstancePredictions(scores, weights, np.array(lengths))


def sounding(seconds, activity=None):
    """Tiny's labels on recordings of sound."""
    tiny = Tiny(num_clips=len(seconds)).load()
    return dataclasses.replace(tiny, x=Tones(seconds), activity=activity, y=np.ones_like(tiny.y))


def test_a_timeline_of_sound_shows_the_recording_and_no_padding(drawn, tmp_path):
    corpus, rows = sounding((3.0, 5.0, 2.0, 4.4)), np.array([2, 3])
    predictions = instances([2, 4])
    run_figures.draw_timelines(tmp_path, corpus, None, rows, predictions)
    for place, picture in enumerate(drawn["attention_timeline"]):
        spectrogram, seconds, classes, weights, scores, activity, *rest = picture
        row, length = int(rows[place]), int(predictions.lengths[place])
        heard = corpus.x.samples(row)[: 8000 * length]
        np.testing.assert_allclose(spectrogram, LogMel(8000).frames(heard))
        assert (seconds, classes, activity) == (length, ["a", "b", "c"], None)
        assert np.array_equal(scores, predictions.scores[place, :length])
        assert np.array_equal(weights, predictions.weights[place, :length])
        assert rest == [1.0, f"Attention in tiny-00{row}", 8000]


def test_a_timeline_ends_where_the_activity_is_no_longer_known(drawn, tmp_path):
    activity = np.random.default_rng(0).random((1, 4, 3)) < 0.5
    corpus = sounding((5.0,), activity)
    run_figures.draw_timelines(tmp_path, corpus, None, np.array([0]), instances([5]))
    [(_, seconds, _, weights, scores, truth, *_)] = drawn["attention_timeline"]
    assert len(weights) == len(scores) == seconds == 4
    assert np.array_equal(truth, activity[0])


def test_bars_and_curves_are_of_the_metrics_that_there_are(drawn, tmp_path):
    labels = {"f1": [0.5], "recall": [0.1], "auroc": [0.7], "positives": [3.0], "observed": [9.0]}
    values = {"r2": [0.3], "rmse": [2.0], "pearson": [0.6], "observed": [9.0]}
    for per_class in (labels, values):
        run_figures.draw_bars(tmp_path, ["a"], per_class)
    first, second = drawn["per_class_bars"]
    assert (first[1], first[3]) == ({"F1": [0.5], "AUROC": [0.7]}, [3])
    assert (second[1], second[3]) == ({"R²": [0.3], "Pearson correlation": [0.6]}, None)


def test_a_title_may_say_whose_picture_it_is(drawn, tmp_path):
    given = {"f1": [0.5], "auroc": [0.7]}
    run_figures.draw_bars(tmp_path, ["a"], given)
    run_figures.draw_bars(tmp_path, ["a"], given, "linear probe of simclr")
    assert [picture[2] for picture in drawn["per_class_bars"]] == [
        *("Test metrics by class", "linear probe of simclr")
    ]
    for task in ("multi_class", "regression"):
        run_figures.draw_answers(tmp_path, predictions(task))
        run_figures.draw_answers(tmp_path, predictions(task), "linear probe of simclr")
    titles = {name: [picture[-1] for picture in drawn[name]] for name in ("confusion", "scatter")}
    assert titles == {
        "confusion": ["Test answers", "linear probe of simclr"],
        "scatter": ["Test predictions", "linear probe of simclr"],
    }


def test_an_r2_far_below_0_does_not_flatten_the_curves(drawn, tmp_path):
    names = ("epoch", "train/loss", "val/loss", "val/r2", "val/rmse", "val/pearson")
    table = [(0, 9.0, 8.0, -40.0, 3.0, -0.2), (1, 4.0, 3.0, 0.4, 1.0, 0.7)]
    rows = [dict(zip(names, row, strict=True)) for row in table]
    run_figures.draw_curves(tmp_path, rows, 1)
    [(curves, *_)] = drawn["training_curves"]
    assert curves == {
        "train/loss": ([0, 1], [9.0, 4.0]),
        "val/loss": ([0, 1], [8.0, 3.0]),
        "val/r2": ([0, 1], [-1.0, 0.4]),
        "val/pearson": ([0, 1], [-0.2, 0.7]),
    }


def test_the_losses_drawn_are_those_that_the_method_names(drawn, tmp_path):
    row = {"epoch": 0, "train/loss": 4.2, "val/loss": 0.5, "train/cross_entropy": 0.4}
    run_figures.draw_curves(tmp_path, [row | {"val/auroc": 0.8}], 0, ["train/loss"])
    run_figures.draw_curves(tmp_path, [row], 0, ["train/cross_entropy", "val/loss"])
    run_figures.draw_curves(tmp_path, [row], 0, ["train/loss", "val/latest_loss"])  # not logged
    curves = [picture[0] for picture in drawn["training_curves"]]
    assert curves == [
        {"train/loss": ([0], [4.2]), "val/auroc": ([0], [0.8])},
        {"train/cross_entropy": ([0], [0.4]), "val/loss": ([0], [0.5])},
        {"train/loss": ([0], [4.2])},
    ]


def predictions(task):
    scores = np.array([[0.7, 0.3], [0.2, 0.8], [0.6, 0.4]], np.float32)
    targets = np.array([[1, 0], [1, 0], [0, 1]], np.float32)
    mask = np.array([[True, True], [True, True], [False, False]])
    return Predictions(("a", "b"), np.array(["x", "y", "z"]), scores, targets, mask, task)


def test_answers_are_drawn_over_what_was_observed(drawn, tmp_path):
    for task in ("multi_label", "multi_class", "regression"):
        run_figures.draw_answers(tmp_path, predictions(task))
    [(classes, truth, answers, _)] = drawn["confusion"]
    assert (classes, truth.tolist(), answers.tolist()) == (("a", "b"), [0, 0], [0, 1])
    [(_, targets, values, _)] = drawn["scatter"]
    np.testing.assert_array_equal(targets, [[1, 0], [1, 0], [np.nan, np.nan]])
    assert np.array_equal(values, predictions("regression").scores)
