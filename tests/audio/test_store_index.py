import numpy as np
import pytest

from musicssl.audio.store_index import FULL_SCALE, quantise


def test_16_bit_samples_do_not_change():
    every = np.arange(-32768, 32768)
    steps, clipped = quantise((every / 32768).astype(np.float32))
    assert steps.dtype == np.int16
    np.testing.assert_array_equal(steps, every)
    assert clipped == 0


def test_rounding_is_off_by_half_a_step_at_most():
    samples = np.random.default_rng(0).uniform(-1, 1 - 1 / 65536, 100_000).astype(np.float32)
    error = np.abs(quantise(samples)[0] / FULL_SCALE - samples)
    assert error.max() <= 1 / 65536
    assert error.mean() == pytest.approx(1 / 131072, rel=0.02)  # of a uniform rest


def test_full_scale_and_what_lies_beyond():
    samples = np.array([1.0, -1.0, 1.5, -7.0, 0.0], np.float32)
    steps, clipped = quantise(samples)
    assert steps.tolist() == [32767, -32768, 32767, -32768, 0]
    assert clipped == 2  # 1 and -1 are within full scale
