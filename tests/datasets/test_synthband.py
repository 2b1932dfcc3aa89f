import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from musicssl.audio.clip_statistics import ClipStatistics
from musicssl.audio.log_mel import LogMel
from musicssl.audio.store import ClipStore
from musicssl.audio.waveform import Waveform
from musicssl.data.corpus import check_corpus
from musicssl.datasets import synthband as module
from musicssl.datasets.synthband import Synthband
from musicssl.datasets.synthesis.instruments import CLASSES
from musicssl.errors import InputError


@pytest.fixture(scope="module")
def band(tmp_path_factory):
    cache = tmp_path_factory.mktemp("cache")
    return Synthband(num_clips=30, clip_seconds=4.0, cache=cache, num_workers=1)


@pytest.fixture(scope="module")
def corpus(band):
    return band.load()


def folders(cache):
    return [path for path in cache.iterdir() if path.name.startswith("synthband-")]


def refuse(*arguments):
    raise AssertionError("rendered again")


def test_corpus_has_the_form_that_methods_learn_from(tmp_path):
    """Many parts, so that few clips suffice for every class to be there and not everywhere."""
    band = Synthband(40, clip_seconds=2.0, min_parts=5, max_parts=15, cache=tmp_path, num_workers=1)
    corpus = check_corpus(band.load())
    assert corpus.x.shape == (40, 2, 128)
    assert corpus.x.dtype == corpus.y.dtype == np.float32
    assert isinstance(corpus.x, np.memmap)
    assert not corpus.x.flags.writeable
    assert corpus.classes == CLASSES
    assert corpus.mask.all()
    sizes = corpus.y.sum(axis=1)
    assert 5 <= sizes.min() <= sizes.max() <= 15
    assert corpus.clip_ids[[0, 39]].tolist() == ["synthband-000000", "synthband-000039"]


def test_weak_labels_say_who_is_active_anywhere(corpus):
    assert np.array_equal(corpus.y, corpus.activity.any(axis=1))
    assert corpus.activity.any()
    assert not corpus.activity.all()


def test_split_is_seven_one_two_of_each_ten(corpus):
    ten = ["train"] * 7 + ["val"] + ["test"] * 2
    assert corpus.split.tolist() == ten * 3


def test_a_small_corpus_is_the_start_of_a_large_one(band, corpus):
    start = replace(band, num_clips=11).load()
    assert np.array_equal(start.x, corpus.x[:11])
    assert np.array_equal(start.activity, corpus.activity[:11])
    assert np.array_equal(start.split, corpus.split[:11])
    assert np.array_equal(start.clip_ids, corpus.clip_ids[:11])


@pytest.mark.slow
def test_number_of_workers_and_threads_changes_nothing(band, corpus, tmp_path):
    torch.set_num_threads(2)
    parallel = replace(band, cache=tmp_path, num_workers=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_CHUNK", 8)
        other = parallel.load()
    assert np.array_equal(other.x, corpus.x)
    assert np.array_equal(other.activity, corpus.activity)
    assert torch.get_num_threads() == 2


def test_audio_is_what_the_instances_were_made_of(band, corpus):
    for row, clip_id in enumerate(corpus.clip_ids):
        audio, sample_rate = band.audio(clip_id)
        assert audio.shape == (4 * sample_rate,)
        assert np.array_equal(band.features(audio), corpus.x[row])


def test_no_clip_is_silent_or_clipped(band, corpus):
    for clip_id in corpus.clip_ids:
        peak = np.abs(band.audio(clip_id)[0]).max()
        assert peak == pytest.approx(10 ** (-1 / 20), abs=1e-5)


def test_seeds_are_different_corpora(band, corpus, tmp_path):
    other = replace(band, seed=1, num_clips=10, cache=tmp_path).load()
    assert not (other.x == corpus.x[:10]).all(axis=(1, 2)).any()
    assert not np.array_equal(other.activity, corpus.activity[:10])


@pytest.mark.parametrize("change", [{"noise_db": None}, {"effects": 1.0}, {"level_range_db": 0.0}])
def test_difficulty_of_the_mix_leaves_the_score_as_it_is(band, corpus, tmp_path, change):
    other = replace(band, num_clips=10, cache=tmp_path, **change).load()
    assert np.array_equal(other.activity, corpus.activity[:10])
    assert not np.array_equal(other.x, corpus.x[:10])


def test_instances_may_have_another_length_and_audio_another_rate(tmp_path):
    features = LogMel(sample_rate=22_050, num_mels=40, frames_per_second=25, instance_seconds=0.2)
    band = Synthband(10, clip_seconds=2.0, features=features, cache=tmp_path, num_workers=1)
    corpus = band.load()
    assert corpus.x.shape == (10, 10, 40)
    assert corpus.activity.shape == (10, 10, 20)
    assert corpus.instance_seconds == 0.2
    quiet = corpus.x[~corpus.activity.any(axis=2)].mean()
    assert corpus.x[corpus.activity.any(axis=2)].mean() > quiet + 0.05  # they are in step


def test_labels_of_clips_stay_as_they_are_where_instances_overlap(band, corpus):
    """There are no labels of instances then, and labels of the clip are those of its seconds."""
    features = LogMel(instance_hop_seconds=0.5)
    overlapping = replace(band, features=features).load()
    assert overlapping.activity is None
    assert overlapping.instance_seconds == 0.5
    assert np.array_equal(overlapping.y, corpus.y)
    np.testing.assert_allclose(overlapping.x[:, ::2], corpus.x, atol=1e-6)


def test_a_clip_may_be_one_instance(band, corpus, tmp_path):
    whole = replace(band, features=ClipStatistics(), cache=tmp_path).load()
    assert whole.x.shape == (30, 1, 336)
    means = whole.x[:, 0, ClipStatistics().columns["log_mel"]][:, :128]
    np.testing.assert_allclose(means, corpus.x.mean(axis=1), atol=1 / 81)  # of one frame more
    longer = replace(band, clip_seconds=2.5, features=ClipStatistics(), cache=tmp_path)
    assert longer.load().x.shape == (30, 1, 336)


def test_the_cache_is_used_again_and_only_for_the_same_settings(band, corpus, monkeypatch):
    monkeypatch.setattr(module, "compose", refuse)
    again = replace(band, num_workers=2, clip_seconds=4).load()
    assert np.array_equal(again.x, corpus.x)
    for change in ({"seed": 3}, {"noise_db": -31.0}, {"features": LogMel(floor_db=-60.0)}):
        with pytest.raises(AssertionError, match="rendered again"):
            replace(band, **change).prepare()


def test_a_failure_leaves_nothing_behind(band, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "compose", refuse)
    with pytest.raises(AssertionError):
        replace(band, cache=tmp_path).prepare()
    assert not folders(tmp_path)


@pytest.mark.slow
def test_a_killed_render_is_never_taken_for_a_cache(tmp_path):
    text = (
        "from musicssl.datasets.synthband import Synthband\n"
        f"Synthband(num_clips=400, clip_seconds=2.0, cache={str(tmp_path)!r}, num_workers=1)"
        ".prepare()"
    )
    render = subprocess.Popen([sys.executable, "-c", text], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob(".synthband-*/activity.npy")):
        assert render.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(render.pid, signal.SIGKILL)
    assert render.wait() == -signal.SIGKILL
    assert list(tmp_path.glob(".synthband-*.part-*"))
    assert not folders(tmp_path)
    band = Synthband(num_clips=400, clip_seconds=2.0, cache=tmp_path, num_workers=1)
    corpus = band.load()
    assert (corpus.x[-1] > 0).any()
    assert not list(tmp_path.glob(".synthband-*.part-*"))


@pytest.mark.parametrize(
    "clip_id", ["synthband-000030", "synthband-7", "synthband-", "000001", "", "synthband-00000²"]
)
def test_unknown_clips_are_named_with_those_that_exist(band, clip_id):
    with pytest.raises(InputError, match=r"no clip .*synthband-000000 to synthband-000029"):
        band.audio(clip_id)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_clips": 9}, "num_clips"),
        ({"num_clips": 1e4}, "num_clips"),
        ({"seed": -1}, "seed"),
        ({"min_parts": 0}, "min_parts"),
        ({"min_parts": 7}, "max_parts"),
        ({"max_parts": 21}, "max_parts"),
        ({"level_range_db": -3.0}, "level_range_db"),
        ({"level_range_db": float("nan")}, "level_range_db"),
        ({"noise_db": float("-inf")}, "noise_db"),
        ({"effects": 1.1}, "effects"),
        ({"num_workers": 0}, "num_workers"),
        ({"clip_seconds": 1.0}, "clip_seconds"),
        ({"clip_seconds": 4.5}, "clip_seconds"),
        ({"features": LogMel(sample_rate=8_000)}, "sample_rate"),
    ],
)
def test_settings_out_of_range_are_named(band, change, message):
    with pytest.raises(InputError, match=rf"synthband: .*{message} must be"):
        replace(band, **change)


def test_sound_is_that_of_each_clip_and_its_labels_are_those_of_the_instances(band, corpus):
    sounding = replace(band, features=Waveform()).load()
    assert isinstance(sounding.x, ClipStore)
    assert sounding.clip_ids.tolist() == corpus.clip_ids.tolist()
    assert np.array_equal(sounding.activity, corpus.activity)
    assert np.array_equal(sounding.y, corpus.y)
    assert sounding.instance_seconds == 1.0
    rows = np.array([7, 21])
    stored = sounding.x.read(rows, np.zeros(2, np.int64), 4 * 16_000)
    for row, sound in zip(rows, stored, strict=True):
        audio, rate = band.audio(str(corpus.clip_ids[row]))
        assert rate == sounding.x.sample_rate
        np.testing.assert_allclose(sound, audio, atol=1 / 65536)


def test_sound_is_rendered_once(band, monkeypatch):
    sounding = replace(band, features=Waveform())
    sounding.prepare()
    monkeypatch.setattr(module, "render", refuse)
    assert len(sounding.load().x.lengths) == 30
