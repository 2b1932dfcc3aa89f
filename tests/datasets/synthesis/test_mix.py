import numpy as np
import pytest

from musicssl.datasets.synthesis.compose import Part
from musicssl.datasets.synthesis.mix import mix

RATE = 16_000


def band(count=4):
    """Sines of different pitch and level, each for another stretch of two seconds."""
    time = np.arange(2 * RATE) / RATE
    parts, sounds = [], []
    for i in range(count):
        start, duration = 0.25 * i, 1.0
        sounding = (time >= start) & (time < start + duration)
        sine = 10.0**-i * np.sin(2 * np.pi * 100 * (2 * i + 3) * time) * sounding
        parts.append(Part(i, 0, np.array([start]), np.array([duration]), np.array([60])))
        sounds.append(sine.astype(np.float32))
    return parts, sounds


def mixed(seed=0, level_range_db=0.0, effects=0.0, noise_db=None):
    rng = np.random.default_rng(seed)
    return mix(rng, *band(), RATE, level_range_db, effects, noise_db)


def levels_db(sound):
    """Level of each sine in the mix while it sounds, by least squares."""
    _, sounds = band()
    gains = np.linalg.lstsq(np.array(sounds, float).T, sound, rcond=None)[0]
    return 20 * np.log10(gains * 10.0 ** -np.arange(4))


def test_parts_are_as_loud_as_each_other_without_a_level_range():
    assert np.ptp(levels_db(mixed())) < 0.05


def test_levels_spread_over_the_range_and_no_further():
    spreads = [np.ptp(levels_db(mixed(seed, level_range_db=20.0))) for seed in range(40)]
    assert max(spreads) < 20.05
    assert max(spreads) > 15
    assert np.mean(spreads) == pytest.approx(20 * 3 / 5, abs=1.5)  # range of 4 uniform draws


@pytest.mark.parametrize("noise_db", [-40.0, -10.0, 6.0])
def test_noise_lies_at_its_level_below_the_band(noise_db):
    clean, noisy = mixed(level_range_db=10.0), mixed(level_range_db=10.0, noise_db=noise_db)
    band_in_it = clean * (clean @ noisy) / (clean @ clean)
    noise = noisy - band_in_it
    ratio_db = 10 * np.log10(np.square(noise).sum() / np.square(band_in_it).sum())
    assert ratio_db == pytest.approx(noise_db, abs=0.1)
    assert np.abs(np.corrcoef(noise[:-1], noise[1:])[0, 1]) < 0.03  # white


@pytest.mark.parametrize("effects", [0.0, 1.0])
@pytest.mark.parametrize("noise_db", [None, 0.0])
def test_every_clip_peaks_one_decibel_below_full_scale(effects, noise_db):
    sound = mixed(level_range_db=30.0, effects=effects, noise_db=noise_db)
    assert sound.dtype == np.float32
    assert 20 * np.log10(np.abs(sound).max()) == pytest.approx(-1.0, abs=1e-4)


def test_effects_happen_as_often_as_asked():
    dry = [mixed(seed) for seed in range(60)]
    half = [mixed(seed, effects=0.5) for seed in range(60)]
    untouched = sum(np.array_equal(a, b) for a, b in zip(dry, half, strict=True))
    assert 5 <= untouched <= 25  # neither room nor tilt: a quarter of 60, within 3 sigma
