"""From the parts of a band to a clip: levels, room and tilt, noise."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter, oaconvolve

from musicssl.synthband.compose import Part

Audio = NDArray[np.float32]

PEAK_DB = -1.0  # of every clip, relative to full scale
_ROOM_SECONDS = (0.2, 0.6)  # until the reverberation has lost 60 dB
_ROOM_DB = (-12.0, 0.0)  # level of the reverberation relative to the dry sound
_TILT_DB = (-12.0, 12.0)  # gain of high frequencies relative to low ones
_TILT_HZ = 1000.0  # where the one turns into the other


def mix(
    rng: np.random.Generator,
    parts: Sequence[Part],
    sounds: Sequence[Audio],
    sample_rate: int,
    level_range_db: float,
    effects: float,
    noise_db: float | None,
) -> Audio:
    """Mix the parts of a clip.

    As many numbers are drawn whatever the settings, so that the clip at another setting is the same
    but for that setting.

    Args:
        rng: Where all choices come from.
        parts: Who plays, P.
        sounds: Each alone and dry, P times (S,).
        sample_rate: In Hz.
        level_range_db: A part's level while it plays is drawn from `-level_range_db` to 0 dB.
        effects: Probability that the band stands in a room, and, drawn apart from that, that its
            spectrum is tilted.
        noise_db: Level of white noise relative to the band over the whole clip, or None for none.

    Returns:
        Samples, (S,), with their peak at `PEAK_DB`.
    """
    in_room, is_tilted = rng.random(2) < effects
    room_seconds, room_db = rng.uniform(*_ROOM_SECONDS), rng.uniform(*_ROOM_DB)
    tilt_db = rng.uniform(*_TILT_DB)
    levels_db = -level_range_db * rng.random(len(parts))
    band = np.zeros_like(sounds[0])
    for part, sound, level_db in zip(parts, sounds, levels_db, strict=True):
        band += sound * np.float32(_amplitude(level_db) / level_while_playing(part, sound, sample_rate))
    if in_room:
        band += _amplitude(room_db) * _reverberation(rng, band, room_seconds, sample_rate)
    if is_tilted:
        band = _tilt(band, tilt_db, sample_rate)
    if noise_db is not None:
        hiss = rng.standard_normal(len(band), dtype=np.float32)
        band += np.float32(_amplitude(noise_db) * _level(band)) * hiss
    return band * np.float32(_amplitude(PEAK_DB) / np.abs(band).max())


def level_while_playing(part: Part, sound: Audio, sample_rate: int) -> float:
    """Root mean square from the start of the first note to the end of the last."""
    start = int(part.starts.min() * sample_rate)
    stop = round((part.starts + part.durations).max() * sample_rate)
    return _level(sound[start:stop])


def _level(sound: Audio) -> float:
    return float(np.sqrt(np.mean(np.square(sound), dtype=np.float64)))


def _amplitude(decibels: float) -> np.float32:
    return np.float32(10 ** (decibels / 20))


def _reverberation(
    rng: np.random.Generator, sound: Audio, seconds: float, sample_rate: int
) -> Audio:
    """Convolve with noise of unit energy that loses 60 dB in `seconds`."""
    time = np.arange(round(seconds * sample_rate), dtype=np.float32) / np.float32(seconds)
    response = rng.standard_normal(len(time), dtype=np.float32)
    response *= 10 ** (-3 * time / sample_rate)
    response /= np.sqrt(np.sum(np.square(response)))
    return oaconvolve(sound, response)[: len(sound)]


def _tilt(sound: Audio, tilt_db: float, sample_rate: int) -> Audio:
    """Amplify what lies above `_TILT_HZ` by half of `tilt_db` and cut the rest by half of it.

    A first-order shelf, whose gains at 0 Hz and at half the sample rate are exact.
    """
    slope = np.tan(np.pi * _TILT_HZ / sample_rate)  # bilinear transform
    high, low = 10 ** (tilt_db / 40), 10 ** (-tilt_db / 40)
    b = np.array([high + low * slope, low * slope - high]) / (1 + slope)
    a = np.array([1, (slope - 1) / (1 + slope)])
    filtered: Audio = lfilter(b.astype(np.float32), a.astype(np.float32), sound)
    return filtered
