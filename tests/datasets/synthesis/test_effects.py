import numpy as np
import pytest
from scipy.signal import freqz

from musicssl.datasets.synthesis.effects import amplitude, in_a_room, tilted

RATE = 16_000


def impulse(length=RATE):
    sound = np.zeros(length, np.float32)
    sound[0] = 1
    return sound


@pytest.mark.parametrize("tilt_db", [-12.0, 0.0, 6.0])
def test_tilt_has_the_gains_of_an_analogue_shelf(tilt_db):
    """(low + high * s) / (1 + s) at s = j tan(pi f / rate) / tan(pi 1000 / rate)."""
    hertz, response = freqz(tilted(impulse(), tilt_db, RATE), worN=512, fs=RATE)
    s = 1j * np.tan(np.pi * hertz / RATE) / np.tan(np.pi * 1000 / RATE)
    low, high = amplitude(-tilt_db / 2), amplitude(tilt_db / 2)
    expected = np.abs((low + high * s) / (1 + s))
    np.testing.assert_allclose(np.abs(response), expected, rtol=1e-3)


def test_tilt_by_nothing_is_nothing():
    sound = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    np.testing.assert_allclose(tilted(sound, 0.0, RATE), sound, atol=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_a_room_adds_a_tail_that_decays_by_sixty_decibels(seed):
    rng = np.random.default_rng(seed)
    seconds, level_db = rng.uniform(0.2, 0.6), rng.uniform(-12, 0)  # the first two it draws
    tail = in_a_room(np.random.default_rng(seed), impulse(), RATE) - impulse()
    energy = np.square(tail)
    assert 10 * np.log10(energy.sum()) == pytest.approx(level_db, abs=0.01)
    length = round(seconds * RATE)
    assert energy[length:].max() < 1e-10
    tenth = length // 10
    drop_db = 10 * np.log10(energy[:tenth].sum() / energy[length - tenth : length].sum())
    assert drop_db == pytest.approx(60 * 0.9, abs=1.5)


def test_a_room_hears_nothing_in_advance():
    sound = np.roll(impulse(), 5000)
    assert np.abs(in_a_room(np.random.default_rng(0), sound, RATE)[:5000]).max() < 1e-5
