"""Oracle: loops over samples by the definition, sines in closed form, and librosa if installed."""

import dataclasses
import math

import numpy as np
import pytest

from musicssl.audio.cqt import CQT
from musicssl.errors import InputError

RATE = 16_000


def amplitudes(features, audio):
    """Undo the decibels of frames, (K, B)."""
    return 10 ** ((features.frames(audio).astype(np.float64) - 1) * -features.floor_db / 20)


def sine(hz, seconds=2.0, amplitude=0.5):
    return (amplitude * np.sin(2 * np.pi * hz * np.arange(int(seconds * RATE)) / RATE)).astype("f")


@pytest.fixture(scope="module")
def audio():
    rng = np.random.default_rng(0)
    return (
        sine(440.0) + sine(70.0, amplitude=0.2) + 0.05 * rng.standard_normal(2 * RATE).astype("f")
    )


def test_a_frame_is_a_sum_over_the_samples_of_a_window(audio):
    """Hann-windowed exponentials of Q periods, sample by sample."""
    features = CQT()
    found, hop = amplitudes(features, audio), RATE // features.frames_per_second
    ratio = 2 ** (1 / 12)
    periods = (ratio**2 + 1) / (ratio**2 - 1)
    padded = np.pad(audio.astype(np.float64), 8192, mode="reflect")
    for band in (0, 17, 45, 83):
        hz = 32.703 * 2 ** (band / 12)
        first = math.floor(-periods * RATE / hz / 2)
        count = math.floor(periods * RATE / hz / 2) - first
        window = [0.5 - 0.5 * math.cos(2 * math.pi * i / count) for i in range(count)]
        for frame in (0, 13, 40):
            total = 0j
            for i, weight in enumerate(window):
                time = first + i
                sound = padded[8192 + frame * hop + time]
                total += weight * sound * np.exp(-2j * np.pi * hz * time / RATE)
            expected = 2 * abs(total) / sum(window)
            assert found[frame, band] == pytest.approx(expected, rel=1e-3, abs=1.5e-4)


@pytest.mark.parametrize("band", [3, 24, 57, 80])
def test_a_sine_has_its_level_in_its_band_and_none_an_octave_away(band):
    features = CQT()
    found = amplitudes(features, sine(features.frequencies[band], amplitude=0.5))[20]
    assert found[band] == pytest.approx(0.5, rel=1e-3)
    assert found.argmax() == band
    far = np.abs(np.arange(84) - band) >= 12
    assert found[far].max() < 0.005


def test_a_note_higher_is_a_band_further():
    features = CQT()
    first, second = (
        features.frames(sine(features.frequencies[band], amplitude=0.3))[20] for band in (40, 45)
    )
    np.testing.assert_allclose(second[15:75], first[10:70], atol=0.02)


def test_spectra_are_those_of_librosa(audio):
    """In the middle of the clip; librosa resamples the sound for lower octaves."""
    librosa = pytest.importorskip("librosa")
    features = CQT(frames_per_second=25)
    expected = np.abs(librosa.cqt(audio, sr=RATE, hop_length=640, fmin=32.703, n_bins=84))
    lengths, _ = librosa.filters.wavelet_lengths(freqs=features.frequencies, sr=RATE)
    levels = 2 * expected / np.sqrt(lengths)[:, None]
    found = amplitudes(features, audio).T
    np.testing.assert_allclose(found[:, 15:-15], levels[:, 15:-15], atol=0.006)


def test_means_and_deviations_of_84_bands_are_the_default(audio):
    instances = CQT()(audio)
    assert instances.shape == (2, 168)
    assert CQT().num_features == 168
    frames = CQT().frames(audio)[:20]
    np.testing.assert_allclose(instances[0, :84], frames.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(instances[0, 84:], frames.std(axis=0), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("seconds", [0.001, 0.1, 1.0])
def test_short_clips_and_silence_are_finite(seconds):
    assert np.isfinite(CQT()(sine(440.0, seconds))).all()
    assert (CQT()(np.zeros(int(seconds * RATE), np.float32)) == 0).all()


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(CQT)])
def test_every_field_has_a_part_in_the_name_of_a_cache(field):
    others = {"instance_hop_seconds": 0.5, "statistics": ("mean",), "num_bins": 12, "min_hz": 30.0}
    other = others[field] if field in others else getattr(CQT(), field) * 2
    assert dataclasses.replace(CQT(), **{field: other}).settings() != CQT().settings()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"num_bins": 0}, r"features\.num_bins and features\.bins_per_octave must be 1 or more"),
        ({"min_hz": 0.0}, r"features\.min_hz above 0"),
        ({"num_bins": 97}, "beyond half the sample rate of 16000"),
        ({"floor_db": 0.0}, r"features\.floor_db must be below 0"),
    ],
)
def test_settings_out_of_range_are_refused(settings, said):
    with pytest.raises(InputError, match=said):
        CQT(**settings)
