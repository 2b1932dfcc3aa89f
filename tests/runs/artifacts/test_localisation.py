"""Oracles: arrays of known shape, and the clips that a method was asked about."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch

from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.evaluation.localisation import localisation_metrics, resolution_metrics
from musicssl.evaluation.predictions import InstancePredictions
from musicssl.methods.att import AttentionMIL
from musicssl.runs.artifacts.artifact import TrainedRun
from musicssl.runs.artifacts.localisation import Localisation, in_places, in_time
from musicssl.runs.folder import RunFolder
from tests.support.kinds import Values
from tests.support.tiny import Tiny
from tests.support.training import supervised_parts


def judged(lengths):
    """Instances of clips of these lengths, one class, at random."""
    rng = np.random.default_rng(0)
    scores, weights = rng.random((2, len(lengths), max(lengths), 1)).astype(np.float32)
    return InstancePredictions(scores, weights, np.array(lengths))


@dataclasses.dataclass(frozen=True)
class Seconds:
    """Recordings of so many seconds at 100 Hz."""

    seconds: tuple[float, ...]
    sample_rate: int = 100

    @property
    def lengths(self):
        return np.array([round(100 * s) for s in self.seconds])


@pytest.mark.parametrize(
    ("lengths", "instances", "expected"),
    [
        (None, [5, 5, 5], True),
        (None, [1, 1, 1], False),  # one embedding for all of a clip
        (None, [5, 5, 4], False),
        ([5, 2, 3], [5, 2, 3], True),
        ([5, 2, 3], [5, 2, 2], False),
        ([2, 2, 3], [2, 2, 3], True),  # no test clip is as long as the longest of all
    ],
)
def test_instances_of_a_bag_are_its_places_if_there_are_as_many(lengths, instances, expected):
    corpus, rows = Tiny(num_clips=10).load(), np.array([2, 4, 7])
    if lengths is not None:
        known = np.full(10, 5)
        known[rows] = lengths
        corpus = dataclasses.replace(corpus, lengths=known)
    assert in_places(corpus, rows, judged(instances)) == expected
    values = dataclasses.replace(corpus, task="regression")
    assert not in_places(values, rows, judged(instances))


@pytest.mark.parametrize(
    ("seconds", "instance_seconds", "instances", "expected"),
    [
        ((10.0, 3.0), 1.0, [10, 3], True),
        ((10.4, 2.7), 1.0, [10, 3], True),  # the last part of a second counts or does not
        ((10.0, 3.0), 1.0, [3, 1], False),  # of more than three seconds each
        ((10.0, 3.0), 0.5, [10, 3], False),
        ((10.0, 3.0), 0.5, [20, 6], True),
    ],
)
def test_instances_of_sound_are_places_if_they_last_as_long(
    seconds, instance_seconds, instances, expected
):
    corpus = dataclasses.replace(
        Tiny(len(seconds)).load(), x=Seconds(seconds), instance_seconds=instance_seconds
    )
    assert in_places(corpus, np.arange(2), judged(instances)) == expected


@pytest.mark.parametrize("places", [3, 4, 6])
def test_localisation_is_of_the_instances_whose_activity_is_known(places):
    """However many places the longest clip of the corpus has, and whatever padding holds."""
    activity = np.random.default_rng(1).random((2, 6, 1)) < 0.5
    instances = judged([4, 3])
    others = ~activity[:, :places]  # of clips that do not test
    corpus = SimpleNamespace(
        activity=np.concatenate([others, activity[:, :places]]),
        mask=np.ones((4, 1), bool),
        instance_seconds=1.0,
    )
    found = in_time(SimpleNamespace(corpus=corpus, rows=lambda _: np.arange(2, 4)), instances)
    known = min(places, 4)
    real = [(n, t) for n, length in enumerate((4, 3)) for t in range(min(length, known))]
    parts = (instances.scores, instances.weights, activity)
    flat = [np.array([part[n, t] for n, t in real])[None] for part in parts]
    expected = localisation_metrics(*flat)
    for name in ("auroc_weighted", "auroc_instance"):
        assert found["localisation"][name] == pytest.approx(float(expected[name][0]))
    alone = np.concatenate(flat[0])[:, None], np.concatenate(flat[2])[:, None]  # (I, 1, 1)
    by_second = resolution_metrics(*alone, 1.0)["clip"]  # each instance a clip of its own
    assert found["resolution"]["1 s"] == pytest.approx(float(by_second[0]))


def test_nothing_is_localised_without_a_truth():
    data = SimpleNamespace(corpus=SimpleNamespace(activity=None))
    assert in_time(data, judged([4])) == {}


class Silent(Tiny):
    """Clips of different lengths of which nobody knows when the classes sound."""

    def load(self):
        return dataclasses.replace(super().load(), activity=None)


def clips_asked(folder, dataset, monkeypatch):
    """Return the test clips whose instances a method is asked for, and what is returned."""
    clips = SemiSupervisedDataModule(dataset, batch_size=8)
    clips.setup()
    task = clips.corpus.task
    method = AttentionMIL(**supervised_parts(loss=None, task=task)).eval()
    asked = []
    instances = method.instances
    monkeypatch.setattr(
        method, "instances", lambda batch: (asked.extend(batch.rows.tolist()), instances(batch))[1]
    )
    found = Localisation().write(TrainedRun(RunFolder(folder), clips, method))
    pictures = sorted(path.name for path in (folder / "figures").glob("timeline_*"))
    return asked, clips, found, pictures


def test_without_a_known_activity_only_the_clips_of_the_pictures_are_predicted(
    tmp_path, monkeypatch
):
    """An hour of instances of every test clip would not fit into memory, for three pictures."""
    asked, clips, found, pictures = clips_asked(
        tmp_path, Silent(variable_lengths=True), monkeypatch
    )
    assert found == {}
    assert len(pictures) == 3
    assert pictures == sorted(f"timeline_{clips.corpus.clip_ids[row]}.png" for row in set(asked))


def test_with_a_known_activity_every_test_clip_is_measured(tmp_path, monkeypatch):
    asked, clips, found, pictures = clips_asked(tmp_path, Tiny(variable_lengths=True), monkeypatch)
    assert found.keys() == {"localisation", "resolution"}
    assert len(pictures) == 3
    assert set(asked) == set(clips.rows("test").tolist())


@dataclasses.dataclass(frozen=True)
class Sounding(Tiny):
    """Clips with a tone each, which may be passed on or not."""

    redistributable: bool = True

    def load(self):
        return dataclasses.replace(super().load(), redistributable=self.redistributable)

    def audio(self, clip_id):
        hertz = 100 + int(clip_id.removeprefix("tiny-"))
        return np.sin(2 * np.pi * hertz * np.arange(40_000) / 8000).astype(np.float32), 8000


def test_the_sound_of_pictured_clips_is_kept_only_where_it_may_be_passed_on(tmp_path, monkeypatch):
    _, _, _, pictures = clips_asked(tmp_path / "kept", Sounding(), monkeypatch)
    for name in pictures:
        samples, rate = soundfile.read(tmp_path / "kept/sounds" / name.replace(".png", ".flac"))
        loudest = np.abs(np.fft.rfft(samples)).argmax() * rate / len(samples)
        assert loudest == pytest.approx(100 + int(name[len("timeline_tiny-") : -len(".png")]))
    assert len(list((tmp_path / "kept/sounds").iterdir())) == 3
    clips_asked(tmp_path / "not", Sounding(redistributable=False), monkeypatch)
    assert not (tmp_path / "not/sounds").exists()


def test_no_instance_of_a_regression_is_predicted(tmp_path, monkeypatch):
    asked, _, found, pictures = clips_asked(tmp_path, Values(), monkeypatch)
    assert (asked, found, pictures) == ([], {}, [])


def test_one_clip_shows_that_instances_are_no_label_frames(tmp_path, monkeypatch):
    clips = SemiSupervisedDataModule(Tiny(), batch_size=8)
    clips.setup()
    method = AttentionMIL(**supervised_parts()).eval()
    asked = []

    def summed_up(batch):
        asked.extend(batch.rows.tolist())
        logits = torch.zeros(len(batch.x), 1, 3)  # one instance of a whole clip
        return SimpleNamespace(logits=logits, log_weights=logits).__dict__.values()

    monkeypatch.setattr(method, "instances", summed_up)
    assert Localisation().write(TrainedRun(RunFolder(tmp_path), clips, method)) == {}
    assert asked == [clips.rows("test")[0]]
