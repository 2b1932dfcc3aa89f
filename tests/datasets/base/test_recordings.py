import logging
from dataclasses import replace

import numpy as np
import pytest

from musicssl.audio.decode import read_audio
from musicssl.audio.log_mel import LogMel
from musicssl.audio.sound_files import SoundFiles
from musicssl.audio.store import ClipStore
from musicssl.audio.waveform import Waveform
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.errors import InputError
from tests.support.bird_calls import RATE, SECONDS, BirdCalls, write_bird_calls

MEL = LogMel(sample_rate=RATE, num_mels=16, n_fft=512)
SOUND = Waveform(RATE)


@pytest.fixture
def root(tmp_path):
    return write_bird_calls(tmp_path / "birds")


@pytest.fixture
def make(root):
    def make_corpus(**settings):
        defaults = {"root": root, "features": SOUND, "cache": root.parent / "cache"}
        return BirdCalls(**(defaults | {"num_workers": 1} | settings))

    return make_corpus


def whole(sound):
    rows = np.arange(len(sound.lengths))
    return sound.read(rows, np.zeros(len(rows), np.int64), int(sound.lengths.max()))


def test_instances_are_those_of_each_file(make, root):
    corpus = make(features=MEL).load()
    assert corpus.clip_ids.tolist() == list(SECONDS)
    assert corpus.lengths.tolist() == [2, 3, 1, 2]
    for clip_id, x, length in zip(corpus.clip_ids, corpus.x, corpus.lengths, strict=True):
        np.testing.assert_array_equal(x[:length], MEL(read_audio(root / clip_id, RATE)))
    assert corpus.instance_seconds == 1.0
    assert corpus.activity.shape == (4, 3, 1)


def test_activity_is_dropped_where_instances_have_another_duration(make):
    halves = LogMel(sample_rate=RATE, num_mels=16, n_fft=512, instance_seconds=0.5)
    corpus = make(features=halves).load()
    assert corpus.activity is None
    assert corpus.instance_seconds == 0.5


def test_activity_is_dropped_where_instances_overlap(make):
    corpus = make(features=replace(MEL, instance_hop_seconds=0.5)).load()
    assert corpus.activity is None
    assert corpus.instance_seconds == 0.5
    assert corpus.lengths.tolist() == [4, 6, 2, 4]


def test_sound_comes_from_the_files_until_a_store_is_prepared(make, root, caplog):
    with caplog.at_level(logging.INFO):
        files = make(bird="owl").load()
    assert isinstance(files.x, SoundFiles)
    assert (
        f"`python -m musicssl.datasets.bird_calls --prepare --root {root} "
        f"--cache {root.parent / 'cache'} --sample-rate 8000 --bird owl`"
    ) in caplog.text
    make().prepare_store()
    caplog.clear()
    with caplog.at_level(logging.INFO):
        store = make().load()
    assert "--prepare" not in caplog.text
    assert isinstance(store.x, ClipStore)
    assert store.clip_ids.tolist() == files.clip_ids.tolist()
    np.testing.assert_allclose(whole(store.x), whole(files.x), atol=2 / 65536)
    assert store.instance_seconds == 1.0


def test_labels_stay_with_their_clips_when_files_are_left_out(make, root, caplog):
    (root / "a.wav").write_bytes(b"")
    (root / "d.ogg").unlink()
    for features in (MEL, SOUND):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            corpus = make(features=features, unreadable="skip").load()
        assert corpus.clip_ids.tolist() == ["b/c.flac", "e.wav"]
        assert corpus.y.tolist() == [[1], [1]]
        assert corpus.split.tolist() == ["train", "test"]
        assert corpus.groups.tolist() == ["wood 1", "wood 3"]
        assert corpus.activity[:, :2, 0].tolist() == [[True, False], [True, False]]
        [message] = [r.message for r in caplog.records if "cannot be used" in r.message]
        assert "2 of 4 files" in message
        assert "d.ogg is missing" in message
        assert "a.wav is empty" in message


def test_files_that_cannot_be_used_stop_a_run(make, root):
    (root / "a.wav").write_bytes(b"")
    with pytest.raises(InputError, match=r"1 of 4 files .* a\.wav is empty.*unreadable=skip"):
        make().load()


def test_missing_files_are_reported_before_anything_is_decoded(make, root, monkeypatch):
    (root / "a.wav").unlink()
    monkeypatch.setattr("musicssl.datasets.base.recordings.instance_store", None)
    with pytest.raises(InputError, match=r"1 of 4 files .* a\.wav is missing"):
        make(features=MEL).prepare()


def test_annotations_without_any_audio_are_reported(make, root):
    for name in SECONDS:
        (root / name).unlink()
    with pytest.raises(InputError, match=r"none of the 4 recordings .* listen at dawn"):
        make(unreadable="skip").load()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"unreadable": "ignore"}, "dataset.unreadable must be error or skip"),
        ({"max_seconds": -1.0, "features": MEL}, "dataset.max_seconds must be positive"),
        ({"max_seconds": 1.0}, "leave it at null with features=waveform"),
        ({"num_workers": 0}, "dataset.num_workers must not be 0"),
        ({"root": None}, "bird_calls needs data.root=DIR"),
    ],
)
def test_wrong_settings_are_reported(make, settings, message):
    with pytest.raises(InputError, match=message):
        make(**settings).load()


@pytest.mark.slow
def test_the_data_module_serves_crops_of_the_files(make, root):
    module = SemiSupervisedDataModule(make(), batch_size=2, crop_seconds=0.5)
    module.setup()
    audio = {row: read_audio(root / name, RATE) for row, name in enumerate(SECONDS)}
    for batch in module.train_dataloader():
        for row, x in zip(batch.rows.tolist(), batch.x.numpy(), strict=True):
            windows = np.lib.stride_tricks.sliding_window_view(audio[row], len(x))
            assert np.abs(windows - x).max(axis=1).min() < 1e-6


def test_annotations_that_name_nothing_are_reported(make, root):
    (root / "birds.txt").write_text("")
    with pytest.raises(InputError, match="name no recording"):
        make().load()


def test_annotations_are_read_once(make, monkeypatch):
    reads = []
    read = BirdCalls.annotations
    monkeypatch.setattr(BirdCalls, "annotations", lambda self: reads.append(1) or read(self))
    corpus = make()
    corpus.prepare()
    corpus.load()
    assert len(reads) == 1
