"""Oracle: slow loops over instances and frames, and a line fitted by NumPy."""

import dataclasses

import numpy as np
import pytest

from musicssl.audio.cqt import CQT
from musicssl.audio.instance_features import STATISTICS, slopes
from musicssl.audio.log_mel import LogMel
from musicssl.audio.mfcc import MFCC
from musicssl.errors import InputError

RATE = 8_000
KINDS = [
    LogMel(RATE, num_mels=12, n_fft=512),
    CQT(RATE, min_hz=RATE / 60, num_bins=40),
    MFCC(RATE, num_mels=16, num_coefficients=5, n_fft=512),
]


@pytest.fixture(params=KINDS, ids=lambda kind: kind.kind)
def features(request):
    return request.param


def noise(seconds, seed=0):
    rng = np.random.default_rng(seed)
    level = 0.3 * np.abs(np.sin(np.arange(round(seconds * RATE)) / RATE * 3))
    return (level * rng.normal(size=len(level))).astype(np.float32)


def slow_instances(features, audio, seconds, hop):
    """Statistics of each stretch of the frames, by the definitions."""
    frames = features.frames(audio).astype(np.float64)
    rate = features.frames_per_second
    count = max(1, sum(t * hop + seconds / 2 <= len(audio) / RATE for t in range(100)))
    last = min(len(frames), round(((count - 1) * hop + seconds) * rate))
    changes = slow_slopes(frames[:last])
    rows = []
    for t in range(count):
        piece = slice(round(t * hop * rate), round((t * hop + seconds) * rate))
        values = {
            "mean": frames[piece].mean(axis=0),
            "std": frames[piece].std(axis=0),
            "delta_mean": changes[piece].mean(axis=0),
            "delta_std": changes[piece].std(axis=0),
        }
        rows.append(np.concatenate([values[name] for name in features.statistics]))
    return np.array(rows)


def slow_slopes(frames):
    """Fit a line to nine frames around each one."""
    padded = np.pad(frames, ((4, 4), (0, 0)), mode="edge")
    return np.array([np.polyfit(np.arange(9), padded[k : k + 9], 1)[0] for k in range(len(frames))])


@pytest.mark.parametrize("statistics", [["mean"], ["std", "mean"], list(STATISTICS)])
@pytest.mark.parametrize(
    ("seconds", "hop"), [(1.0, None), (0.5, None), (1.0, 0.5), (1.0, 0.25), (0.4, 0.3)]
)
@pytest.mark.parametrize("length", [4.0, 3.6])
def test_statistics_equal_a_slow_loop(features, statistics, seconds, hop, length):
    features = dataclasses.replace(
        features, statistics=statistics, instance_seconds=seconds, instance_hop_seconds=hop
    )
    audio = noise(length)
    expected = slow_instances(features, audio, seconds, hop or seconds)
    found = features(audio)
    assert found.dtype == np.float32
    assert found.shape == (features.num_instances(len(audio)), features.num_features)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
    assert found.std(axis=0).max() > 0


def test_slopes_of_a_straight_line_are_its_slope():
    frames = np.outer(np.arange(40), [0.5, -2.0, 0.0]).astype(np.float32)
    np.testing.assert_allclose(slopes(frames)[4:-4], [[0.5, -2.0, 0.0]] * 32, atol=1e-5)


@pytest.mark.parametrize("seconds", [0.05, 0.2, 0.49, 1 / RATE])
def test_a_clip_shorter_than_half_an_instance_is_one_instance(features, seconds):
    audio = noise(seconds)
    assert features.num_instances(len(audio)) == 1
    [instance] = dataclasses.replace(features, statistics=["mean", "std"])(audio)
    frames = features.frames(audio)
    np.testing.assert_allclose(instance[: features.frame_size], frames.mean(axis=0), rtol=1e-4)
    assert np.isfinite(instance).all()


def test_a_clip_without_a_sample_is_refused(features):
    with pytest.raises(InputError, match="holds no sample"):
        features(np.zeros(0, np.float32))


def test_overlapping_instances_are_those_without_overlap_and_more(features):
    every = dataclasses.replace(features, instance_hop_seconds=0.5, statistics=["mean", "std"])
    plain = dataclasses.replace(features, statistics=["mean", "std"])
    audio = noise(5)
    np.testing.assert_allclose(every(audio)[::2], plain(audio), rtol=1e-4, atol=1e-5)
    assert not every.are_tiles
    assert plain.are_tiles


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"instance_seconds": 0.02}, r"instance_seconds=0\.02 is shorter than the"),
        ({"instance_hop_seconds": 0.02}, r"instance_hop_seconds=0\.02 is shorter than the"),
        ({"instance_hop_seconds": 1.5}, r"instance_hop_seconds=1\.5 would leave gaps between"),
        ({"statistics": []}, r"features\.statistics must be one or more of mean, std, delta_mean"),
        ({"statistics": ["mean", "median"]}, r"got \[mean,median\]"),
        ({"statistics": ["mean", "mean"]}, "each once"),
    ],
)
def test_wrong_settings_are_refused(features, settings, message):
    with pytest.raises(InputError, match=message):
        dataclasses.replace(features, **settings)
