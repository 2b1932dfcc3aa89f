"""Oracle: the scale of log-mel features, and numpy's own means of instances."""

from types import SimpleNamespace

import numpy as np
import pytest

from musicssl.audio.cqt import CQT
from musicssl.audio.log_mel import LogMel
from musicssl.audio.mfcc import MFCC
from musicssl.audio.waveform import Waveform
from musicssl.figures.feature_axis import (
    FeatureAxis,
    difference_parts,
    feature_axis,
    images,
    level_parts,
)

T, F = 3, 4


def test_log_mel_features_are_shown_in_the_decibels_that_they_stand_for():
    log_mel = LogMel(sample_rate=8000, num_mels=F)
    axis = feature_axis(SimpleNamespace(features=log_mel), F)
    assert axis.feature == "mel band, 0 to 4 kHz"
    time = np.arange(8000) / 8000
    levels = []
    for gain in (1.0, 0.1):  # a full-scale sine, and one that is 20 dB softer
        [spectrum] = log_mel((gain * np.sin(2 * np.pi * 1000 * time)).astype(np.float32))
        [part] = level_parts(spectrum, "mean", 5, axis)
        levels.append(part.values.max())
    assert levels[0] - levels[1] == pytest.approx(20, abs=0.5)
    assert level_parts(np.ones(F), "mean", 5, axis)[0].values.tolist() == [0.0] * F
    assert level_parts(np.zeros(F), "mean", 5, axis)[0].values.tolist() == [-80.0] * F


def test_each_statistic_of_instances_is_a_part_of_its_own():
    log_mel = LogMel(sample_rate=8000, num_mels=F, statistics=["mean", "std"])
    axis = feature_axis(SimpleNamespace(features=log_mel), 2 * F)
    assert axis.all_features == "mel band, 0 to 4 kHz: means, standard deviations"
    instances = np.random.default_rng(0).uniform(size=(2, T, 2 * F))
    mean, deviation = instances.mean(axis=1), instances.std(axis=1)
    summaries = np.concatenate([mean, deviation], axis=1)
    parts = level_parts(summaries, "mean_std", T, axis)
    expected = {
        "mean over time of means": 80 * mean[:, :F] - 80,
        "mean over time of standard deviations": 80 * mean[:, F:],
        "standard deviation over time of means": 80 * deviation[:, :F],
        "standard deviation over time of standard deviations": 80 * deviation[:, F:],
    }
    assert [part.name for part in parts] == list(expected)
    assert [part.value for part in parts] == ["dB re full scale", "dB", "dB", "dB"]
    for part in parts:
        np.testing.assert_allclose(part.values, expected[part.name])
    changes = difference_parts(summaries, "mean_std", T, axis)
    np.testing.assert_allclose(changes[0].values, 80 * mean[:, :F])
    assert {part.value for part in changes} == {"dB"}
    image = images(instances.reshape(2, -1), T, axis)
    np.testing.assert_allclose(image[..., :F], 80 * instances[..., :F] - 80)
    np.testing.assert_allclose(image[..., F:], 80 * instances[..., F:])


def test_cepstral_coefficients_are_shown_in_their_own_decibels():
    axis = feature_axis(SimpleNamespace(features=MFCC(num_coefficients=F)), 3 * F)
    assert (axis.feature, axis.value) == ("cepstral coefficient", "dB")
    parts = level_parts(np.arange(3 * F), "mean", 5, axis)
    assert np.concatenate([part.values for part in parts]).tolist() == list(range(3 * F))


def test_bands_of_notes_are_shown_in_decibels():
    axis = feature_axis(SimpleNamespace(features=CQT(num_bins=F, statistics=("mean",))), F)
    assert axis.feature == f"constant-Q band, 0.033 to {0.032703 * 2 ** ((F - 1) / 12):.2g} kHz"
    assert (axis.value, axis.scale, axis.offset) == ("dB re full scale", 80.0, -80.0)


@pytest.mark.parametrize("features", [None, Waveform(8000), LogMel(num_mels=F + 1)])
def test_other_features_are_shown_as_they_are(features):
    axis = feature_axis(SimpleNamespace(features=features), F)
    assert axis == feature_axis(SimpleNamespace(), F) == FeatureAxis()
    values = np.arange(F)
    [part] = level_parts(values, "mean", 5, axis)
    assert (part.value, part.values.tolist()) == ("value", values.tolist())


def test_every_kind_of_summary_is_taken_apart():
    axis = FeatureAxis("band", "level", "change", 10.0, 3.0)
    clips = np.random.default_rng(0).normal(size=(2, T, F))
    mean, deviation = clips.mean(axis=1), clips.std(axis=1)
    both = np.concatenate([mean, deviation], axis=1)
    for kind, summaries in (("mean", mean), ("flat", clips.reshape(2, -1)), ("mean_std", both)):
        level, *others = level_parts(summaries, kind, T, axis)
        change, *other_changes = difference_parts(summaries, kind, T, axis)
        assert (level.name, level.value) == ("mean over time", "level")
        assert (change.name, change.value) == ("mean over time", "change")
        np.testing.assert_allclose(level.values, 10 * mean + 3)
        np.testing.assert_allclose(change.values, 10 * mean)
        assert len(others) == len(other_changes) == (kind == "mean_std")
    for part in (*others, *other_changes):  # a deviation has no offset
        assert (part.name, part.value) == ("standard deviation over time", "change")
        np.testing.assert_allclose(part.values, 10 * deviation)
    np.testing.assert_allclose(images(clips.reshape(2, -1), T, axis), 10 * clips + 3)


@pytest.mark.parametrize("kind", ["mean", "flat"])
def test_a_clip_of_one_instance_is_its_features(kind):
    [part] = level_parts(np.arange(F), kind, 1, FeatureAxis())
    assert (part.name, part.values.tolist()) == ("features", list(range(F)))
