"""Each part of a frame is that of the class which computes it alone."""

import numpy as np
import pytest

from musicssl.audio.log_mel import LogMel
from musicssl.audio.log_mel_mfcc import LogMelMFCC
from musicssl.audio.mfcc import MFCC
from musicssl.errors import InputError


def noise(seconds=2.5, rate=16_000):
    return np.random.default_rng(0).normal(0, 0.1, int(seconds * rate)).astype(np.float32)


def test_statistics_are_those_of_both_parts():
    audio = noise()
    both = LogMelMFCC()(audio).reshape(3, 3, 148)  # instances, statistics, values of a frame
    names = ("mean", "std", "delta_std")
    bands = LogMel(frames_per_second=40, statistics=names)(audio).reshape(3, 3, 128)
    coefficients = MFCC(statistics=names)(audio).reshape(3, 3, 20)
    np.testing.assert_allclose(both[..., :128], bands, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(both[..., 128:], coefficients / 80, rtol=1e-4, atol=1e-6)


def test_a_gain_moves_the_means_of_bands_and_the_zeroth_coefficient_alone():
    audio = noise()
    quiet, loud = (LogMelMFCC(statistics=["mean"])(audio * factor) for factor in (0.1, 0.2))
    change = loud - quiet
    decibels = 20 * np.log10(2)
    np.testing.assert_allclose(change[:, :128], decibels / 80, atol=1e-4)
    np.testing.assert_allclose(change[:, 128], np.sqrt(128) * decibels / 80, atol=1e-3)
    np.testing.assert_allclose(change[:, 129:], 0, atol=1e-4)


def test_more_coefficients_than_bands_are_refused():
    with pytest.raises(InputError, match="num_coefficients"):
        LogMelMFCC(num_mels=10)
