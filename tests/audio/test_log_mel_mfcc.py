"""A frame is a log-mel spectrum and its discrete cosine transform."""

import numpy as np
import pytest
from scipy.fft import dct

from musicssl.audio.log_mel import LogMel
from musicssl.audio.log_mel_mfcc import LogMelMFCC
from musicssl.errors import InputError

NAMES = ("mean", "std", "delta_std")


def noise(seconds=2.5, rate=16_000):
    return np.random.default_rng(0).normal(0, 0.1, int(seconds * rate)).astype(np.float32)


def test_coefficients_are_those_of_scipy():
    frames = LogMelMFCC().frames(noise())
    bands = LogMel(frames_per_second=40).frames(noise())
    np.testing.assert_array_equal(frames[:, :128], bands)
    expected = dct(bands.astype(np.float64), type=2, norm="ortho", axis=1)[:, :20]
    np.testing.assert_allclose(frames[:, 128:], expected, atol=1e-5)


def test_statistics_of_bands_are_those_of_log_mel():
    both = LogMelMFCC()(noise()).reshape(3, 3, 148)  # instances, statistics, values of a frame
    bands = LogMel(frames_per_second=40, statistics=NAMES)(noise()).reshape(3, 3, 128)
    np.testing.assert_allclose(both[..., :128], bands, rtol=1e-6, atol=1e-8)


def test_a_gain_moves_the_means_of_bands_and_the_zeroth_coefficient_alone():
    quiet, loud = (LogMelMFCC(statistics=["mean"])(noise() * factor) for factor in (0.1, 0.2))
    change, decibels = loud - quiet, 20 * np.log10(2)
    np.testing.assert_allclose(change[:, :128], decibels / 80, atol=1e-4)
    np.testing.assert_allclose(change[:, 128], np.sqrt(128) * decibels / 80, atol=1e-3)
    np.testing.assert_allclose(change[:, 129:], 0, atol=1e-4)


def test_more_coefficients_than_bands_are_refused():
    with pytest.raises(InputError, match="num_coefficients"):
        LogMelMFCC(num_mels=10)
