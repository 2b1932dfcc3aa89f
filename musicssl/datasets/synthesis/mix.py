"""The mix of the parts of a band: levels, effects, noise."""

from collections.abc import Sequence

import numpy as np

from musicssl.datasets.synthesis.compose import Part
from musicssl.datasets.synthesis.effects import Audio, amplitude, in_a_room, tilted

PEAK_DB = -1.0  # peak of every clip, relative to full scale
_TILT_DB = (-12.0, 12.0)  # gain of high frequencies relative to low ones


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

    Each step draws from its own stream of random numbers, so that a change of one setting leaves
    everything else in a clip the same.

    Args:
        rng: Generator of all choices.
        parts: The P parts.
        sounds: Dry sound of each part alone, P times (S,).
        sample_rate: Sample rate, in Hz.
        level_range_db: A part's level while it plays is drawn from `-level_range_db` to 0 dB.
        effects: Probability of reverberation, and independently, of a spectral tilt.
        noise_db: Level of white noise relative to the band over the whole clip; None for no noise.

    Returns:
        Samples, (S,), with a peak of `PEAK_DB`.
    """
    of_levels, of_room, of_tilt, of_noise = rng.spawn(4)
    band = np.zeros_like(sounds[0])
    for part, sound in zip(parts, sounds, strict=True):
        level_db = of_levels.uniform(-level_range_db, 0)
        gain = amplitude(level_db) / level_while_playing(part, sound, sample_rate)
        band += np.float32(gain) * sound
    if of_room.random() < effects:
        band = in_a_room(of_room, band, sample_rate)
    if of_tilt.random() < effects:
        band = tilted(band, of_tilt.uniform(*_TILT_DB), sample_rate)
    if noise_db is not None:
        noise = of_noise.standard_normal(len(band), dtype=np.float32)
        band += np.float32(amplitude(noise_db) * _level(band)) * noise
    return band * np.float32(amplitude(PEAK_DB) / np.abs(band).max())


def level_while_playing(part: Part, sound: Audio, sample_rate: int) -> float:
    """Return the root mean square from the start of the first note to the end of the last."""
    start = int(part.starts.min() * sample_rate)
    stop = round((part.starts + part.durations).max() * sample_rate)
    return _level(sound[start:stop])


def _level(sound: Audio) -> float:
    return float(np.sqrt(np.mean(np.square(sound), dtype=np.float64)))
