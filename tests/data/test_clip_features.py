"""Oracle: the statistics of each file by itself, and NumPy on the instances of each clip."""

from dataclasses import replace

import numpy as np
import pytest

from musicssl.audio.clip_statistics import ClipStatistics
from musicssl.audio.decode import read_audio
from musicssl.audio.log_mel import LogMel
from musicssl.audio.waveform import Waveform
from musicssl.data.clip_features import clip_features, has_sound, instance_statistics
from musicssl.data.corpus import LoadedCorpus
from musicssl.datasets.synthband import Synthband
from musicssl.errors import InputError
from tests.support.bird_calls import BirdCalls, write_bird_calls
from tests.support.tiny import Tiny
from tests.support.tiny_sound import TinySound

MEL = LogMel(8_000, num_mels=16, n_fft=512)


@pytest.fixture
def calls(tmp_path):
    folder = write_bird_calls(tmp_path / "birds")
    return BirdCalls(folder, MEL, tmp_path / "cache", num_workers=1)


@pytest.mark.parametrize("features", [MEL, Waveform(8_000)])
def test_statistics_are_those_of_each_file_whatever_the_corpus_is_made_of(calls, features):
    dataset = replace(calls, features=features)
    corpus = dataset.load()
    found = {kind: clip_features(dataset, corpus, kind) for kind in ("mfcc", "log_mel", "both")}
    for row, name in enumerate(corpus.clip_ids):
        [expected] = ClipStatistics()(read_audio(calls.folder / name, 16_000))
        np.testing.assert_allclose(found["both"][row], expected, rtol=1e-6)
    np.testing.assert_array_equal(
        np.concatenate([found["log_mel"], found["mfcc"]], axis=1), found["both"]
    )
    assert found["mfcc"].shape == (4, 80)


def test_rows_are_in_the_order_of_the_corpus(calls):
    corpus = calls.load()
    order = np.array([2, 0, 3])
    fewer = replace(corpus, x=corpus.x[order], clip_ids=corpus.clip_ids[order])
    whole = clip_features(calls, corpus, "mfcc")
    np.testing.assert_array_equal(clip_features(calls, fewer, "mfcc"), whole[order])


def test_a_clip_that_cannot_be_decoded_is_named(calls):
    corpus = calls.load()
    renamed = replace(corpus, clip_ids=np.array(["lost.wav", *corpus.clip_ids[1:]]))
    with pytest.raises(InputError, match=r"1 clips .* cannot be decoded .* lost\.wav"):
        clip_features(calls, renamed, "mfcc")


def test_files_left_out_of_the_corpus_are_left_out_here(calls):
    (calls.folder / "a.wav").write_bytes(b"")
    skipping = replace(calls, unreadable="skip")
    corpus = skipping.load()
    assert clip_features(skipping, corpus, "mfcc").shape == (3, 80)


@pytest.mark.slow
def test_rendered_clips_have_statistics_too(tmp_path):
    band = Synthband(10, clip_seconds=2.5, features=LogMel(instance_seconds=0.5), cache=tmp_path)
    found = clip_features(band, band.load(), "both")
    [expected] = ClipStatistics()(band.audio("synthband-000003")[0])
    np.testing.assert_allclose(found[3], expected, rtol=1e-5)


@pytest.mark.parametrize("variable_lengths", [False, True])
def test_instances_are_summed_up_by_mean_and_deviation(variable_lengths):
    tiny = Tiny(num_clips=20, variable_lengths=variable_lengths)
    corpus = tiny.load()
    found = clip_features(tiny, corpus, "instances")
    lengths = corpus.lengths if variable_lengths else np.full(20, 5)
    for row, length in enumerate(lengths):
        x = corpus.x[row, :length]
        expected = np.concatenate([x.mean(axis=0), x.std(axis=0)])
        np.testing.assert_allclose(found[row], expected, rtol=1e-5, atol=1e-6)


def test_a_clip_of_one_instance_is_that_instance():
    corpus = Tiny(num_clips=20, num_instances=1).load()
    found = clip_features(LoadedCorpus(corpus), corpus, "instances")
    np.testing.assert_array_equal(found, corpus.x[:, 0])
    assert instance_statistics(corpus.x, None).shape == (20, 16)


def test_corpora_without_sound_or_without_instances_say_what_to_choose():
    tiny, sound = Tiny(), TinySound()
    assert not has_sound(tiny)
    assert not has_sound(sound)
    with pytest.raises(InputError, match=r"tiny brings no sound.*choose baseline=instances_lr"):
        clip_features(tiny, tiny.load(), "mfcc")
    with pytest.raises(InputError, match="are sound, not instances; choose baseline=mfcc_lr"):
        clip_features(sound, sound.load(), "instances")
    with pytest.raises(InputError, match="must be one of mfcc, log_mel, both, instances, got mfc"):
        clip_features(tiny, tiny.load(), "mfc")
