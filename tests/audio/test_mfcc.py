"""Oracle: NumPy and SciPy by the definition, and librosa where it is installed."""

import dataclasses

import numpy as np
import pytest
from scipy.fft import dct
from torchaudio.functional import melscale_fbanks

from musicssl.audio.instance_features import slopes
from musicssl.audio.mfcc import MFCC
from musicssl.errors import InputError

RATE = 16_000


@pytest.fixture(scope="module")
def audio():
    time = np.arange(3 * RATE) / RATE
    rng = np.random.default_rng(0)
    tone = 0.3 * np.sin(2 * np.pi * 440 * time) * (time % 0.5 < 0.3)
    return (tone + 0.01 * rng.normal(size=len(time))).astype(np.float32)


def test_frames_equal_the_definition(audio):
    """Spectrum, bands of equal area, decibels above 80 dB below the loudest, cosine transform."""
    features = MFCC()
    hop = RATE // features.frames_per_second
    padded = np.pad(audio.astype(np.float64), 1024, mode="reflect")
    window = np.hanning(2049)[:-1]
    pieces = np.lib.stride_tricks.sliding_window_view(padded, 2048)[::hop] * window
    bands = melscale_fbanks(1025, 0.0, RATE / 2, 128, RATE, norm="slaney", mel_scale="slaney")
    power = np.abs(np.fft.rfft(pieces)) ** 2 @ bands.numpy()
    decibels = 10 * np.log10(np.maximum(power, 1e-10))
    decibels = np.maximum(decibels, decibels.max() - 80)
    expected = dct(decibels, norm="ortho")[:, :20]
    np.testing.assert_allclose(features.frames(audio), expected, atol=0.02)


def test_frames_and_slopes_are_those_of_librosa(audio):
    librosa = pytest.importorskip("librosa")
    features = MFCC()
    hop = RATE // features.frames_per_second
    spectrum = {"n_fft": 2048, "hop_length": hop, "n_mels": 128, "pad_mode": "reflect"}
    expected = librosa.feature.mfcc(y=audio, sr=RATE, n_mfcc=20, **spectrum)
    found = features.frames(audio)
    np.testing.assert_allclose(found, expected.T, atol=0.02)
    deltas = librosa.feature.delta(expected, width=9, mode="nearest")
    np.testing.assert_allclose(slopes(found), deltas.T, atol=0.02)


def test_sixty_features_of_a_second_are_the_default(audio):
    assert MFCC()(audio).shape == (3, 60)
    assert MFCC().num_features == 60


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(MFCC)])
def test_every_field_has_a_part_in_the_name_of_a_cache(field):
    features = MFCC()
    others = {"instance_hop_seconds": 0.5, "statistics": ("mean",)}
    other = others[field] if field in others else getattr(features, field) * 2
    assert dataclasses.replace(features, **{field: other}).settings() != features.settings()


def test_silence_is_finite():
    assert np.isfinite(MFCC()(np.zeros(RATE, np.float32))).all()


@pytest.mark.parametrize("count", [0, 129])
def test_more_coefficients_than_bands_are_refused(count):
    with pytest.raises(InputError, match=r"num_coefficients must be from 1 to features.num_mels=1"):
        MFCC(num_coefficients=count)
