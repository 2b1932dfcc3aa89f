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
from musicssl.data.checks import check_corpus
from musicssl.data.unlabelled_corpus import training_pool
from musicssl.datasets import synthband as module
from musicssl.datasets.synthband import Synthband
from musicssl.datasets.synthesis.attributes import ATTRIBUTES, attributes_of
from musicssl.datasets.synthesis.compose import compose
from musicssl.datasets.synthesis.instruments import CLASSES
from musicssl.datasets.synthesis.mix import mix
from musicssl.datasets.synthesis.render import render
from musicssl.errors import InputError
from tests.support.midi_file import write_scores
from tests.support.sound_font_file import write_timbres


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


# Fonts, scores and variation


@pytest.fixture(scope="module")
def fonts(tmp_path_factory):
    """Three fonts of all programs, of other harmonics each."""
    folder, rng = tmp_path_factory.mktemp("fonts"), np.random.default_rng(0)
    return [write_timbres(folder / f"{name}.sf2", rng.random((7, 8))) for name in "abc"]


@pytest.mark.parametrize(
    ("settings", "instances", "sound"),
    [
        ({"num_clips": 200}, "synthband-4ece10a53c25", "synthband-046c2914ce5a"),
        (
            {"num_clips": 200, "seed": 3, "min_parts": 1, "max_parts": 20, "clip_seconds": 4.0},
            "synthband-4c71cdf7fa68",
            "synthband-3149e2d095bd",
        ),
    ],
)
def test_caches_of_earlier_versions_are_found(settings, instances, sound):
    """Names of version 0.1, written down before there were fonts."""
    band = Synthband(**settings)
    assert band._folder(features=band.features.settings()).name == instances
    assert band._folder(sound=16_000).name == sound


def test_the_default_sound_is_that_of_symusic(band):
    """Oracle: the steps of version 0.1, written out."""
    for number in (0, 7, 29):
        parts = compose(np.random.default_rng([0, number, 0]), 4.0, 2, 6)
        sounds = [render(part, 4.0, 16_000) for part in parts]
        rng = np.random.default_rng([0, number, 1])
        expected = mix(rng, parts, sounds, 16_000, 20.0, 0.5, -30.0)
        np.testing.assert_array_equal(band.audio(f"synthband-{number:06d}")[0], expected)


def test_each_clip_is_of_one_font_and_the_notes_do_not_depend_on_it(band, corpus, fonts):
    several = replace(band, sound_fonts=fonts)
    assert {several.sound_font_of(number) for number in range(30)} == set(fonts)
    other = several.load()
    assert corpus.redistributable  # this package made all of it
    assert not other.redistributable  # who owns these fonts is not known
    assert np.array_equal(other.activity, corpus.activity)
    alone = {font: replace(band, sound_fonts=[font]) for font in fonts}
    for number, clip_id in enumerate(corpus.clip_ids[:6]):
        single = alone[several.sound_font_of(number)]
        assert np.array_equal(several.audio(clip_id)[0], single.audio(clip_id)[0])
        assert np.array_equal(several.features(several.audio(clip_id)[0]), other.x[number])


def test_test_clips_are_of_fonts_that_training_does_not_hear(band, fonts):
    split = replace(band, sound_fonts=fonts[:2], test_sound_fonts=fonts[2:])
    heard = {name: set() for name in ("train", "val", "test")}
    for number, name in enumerate(split.load().split):
        heard[name].add(split.sound_font_of(number))
    assert heard["train"] == set(fonts[:2])
    assert heard["val"] <= set(fonts[:2])
    assert heard["test"] == set(fonts[2:])


def test_default_is_the_word_for_the_font_that_comes_with_it(band, fonts):
    ours = replace(band, sound_fonts=["default"], test_sound_fonts=fonts[0])
    assert ours.sound_font_of(0).name == "TimGM6mb.sf2"
    assert replace(ours, sound_fonts=None).sound_font_of(0) == ours.sound_font_of(0)
    assert ours.sound_font_of(8) == fonts[0]
    assert band.sound_font_of(0) is None
    for change in ({"velocity": (40, 120)}, {"tuning_cents": 20.0}):
        assert replace(band, **change).sound_font_of(0) == ours.sound_font_of(0)


@pytest.mark.slow
def test_fonts_and_variation_do_not_depend_on_the_number_of_workers(band, fonts, tmp_path):
    settings = {"sound_fonts": fonts, "velocity": (40, 120), "tuning_cents": 20.0, "programs": 2}
    single = replace(band, cache=tmp_path / "1", **settings).load()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_CHUNK", 4)
        double = replace(band, cache=tmp_path / "2", num_workers=2, **settings).load()
    assert np.array_equal(single.x, double.x)
    assert np.array_equal(single.activity, double.activity)


@pytest.mark.parametrize(
    "change",
    [{"velocity": (40, 120)}, {"tuning_cents": 20.0}, {"programs": 1}, {"register": (0.0, 0.3)}],
)
def test_variation_changes_the_sound_and_the_names_of_caches(band, fonts, change):
    plain = replace(band, sound_fonts=fonts[:1])
    other = replace(plain, **change)
    assert not np.array_equal(
        plain.audio("synthband-000000")[0], other.audio("synthband-000000")[0]
    )
    assert plain._folder() != other._folder()
    assert plain._sources()[0] != other._sources()[0]
    if "register" not in change:
        assert np.array_equal(plain._activity(0), other._activity(0))


def test_the_name_of_a_cache_follows_the_content_of_fonts(band, fonts, tmp_path):
    copy = tmp_path / "copy.sf2"
    copy.write_bytes(fonts[0].read_bytes())
    names = [replace(band, sound_fonts=[font])._folder().name for font in (*fonts, copy)]
    assert len(set(names)) == 3
    assert names[0] == names[3]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sound_fonts": ["nowhere.sf2"]}, r"there is no SoundFont .*nowhere\.sf2"),
        ({"sound_fonts": [__file__]}, r"test_synthband\.py is no SoundFont"),
        ({"sound_fonts": ["default", "default"]}, "is the same SoundFont as .*name it once"),
        ({"test_sound_fonts": ["default"]}, "TimGM6mb.sf2 is in dataset.test_sound_fonts and"),
        ({"scores": "nowhere"}, "there is no folder nowhere"),
    ],
)
def test_files_that_cannot_be_used_are_named_before_rendering(band, change, message):
    with pytest.raises(InputError, match=message):
        replace(band, **change).prepare()


@pytest.fixture(scope="module")
def of_scores(tmp_path_factory, fonts):
    folder = write_scores(tmp_path_factory.mktemp("scores") / "scores", 12)
    cache = tmp_path_factory.mktemp("cache")
    settings = {"sound_fonts": fonts[:1], "scores": folder, "cache": cache, "num_workers": 1}
    return Synthband(num_clips=60, clip_seconds=4.0, **settings)


def test_no_score_is_in_two_splits(of_scores):
    corpus = check_corpus(of_scores.load())
    splits = {}
    for group, split in zip(corpus.groups, corpus.split, strict=True):
        assert splits.setdefault(group, split) == split
    assert set(splits.values()) == {"train", "val", "test"}


def test_classes_of_scores_are_those_that_their_training_clips_have(of_scores, caplog):
    corpus = of_scores.load()
    assert corpus.classes == ("bass", "drums", "flute", "piano")
    assert "left out: accordion, banjo, cello" in caplog.text
    assert np.array_equal(corpus.y, corpus.activity.any(axis=1))
    for number in range(60):
        names = {CLASSES[part.column] for part in of_scores._score(number)}
        present = np.array(corpus.classes)[corpus.y[number] == 1]
        assert set(present.tolist()) == names


def test_each_clip_of_a_score_sounds_where_its_label_says(of_scores):
    quiet = replace(of_scores, noise_db=None, effects=0.0)
    corpus = of_scores.load()
    for number in range(20):
        seconds = quiet.audio(f"synthband-{number:06d}")[0].reshape(4, -1)
        inner = np.abs(seconds[:, 2_400:-800]).max(axis=1)  # without releases and short notes
        silent = ~corpus.activity[number].any(axis=1)
        assert (inner[silent] < 1e-3).all()
        assert np.abs(seconds[~silent]).max(axis=1).min() > 1e-3


def test_unlabelled_clips_of_another_font_are_other_recordings(band, fonts):
    labelled, other = (replace(band, sound_fonts=[font]).load() for font in fonts[:2])
    rows = training_pool(other, labelled, labelled.indices("test"))
    assert len(rows) == 21
    assert not set(labelled.sources) & set(other.sources)


def test_attributes_are_those_of_notes_and_sound(band, tmp_path):
    of_numbers = replace(band, target="attributes")
    corpus = check_corpus(of_numbers.load())
    assert (corpus.task, corpus.classes) == ("regression", ATTRIBUTES)
    assert corpus.activity is None
    assert corpus.mask.all()
    np.testing.assert_array_equal(corpus.x, band.load().x)
    for number in (0, 7, 29):
        sound, rate = band.audio(corpus.clip_ids[number])
        expected = attributes_of(band._score(number), sound, rate)
        np.testing.assert_allclose(corpus.y[number], expected, rtol=1e-6)
    sizes = band.load().y.sum(axis=1)
    np.testing.assert_array_equal(corpus.y[:, ATTRIBUTES.index("parts")], sizes)
