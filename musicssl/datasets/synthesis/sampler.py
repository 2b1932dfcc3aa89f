"""Rendering of notes from the samples of any SoundFont.

symusic, which renders the default font, is not used here: it reads beyond the end of a sample when
its loop ends there, so that the sound of many notes differs from process to process (332 of 4,183
notes tried with OPL-3_FM_128M.sf2), it does not return for some high notes, and it ignores
velocity. This sampler is slower, about a millisecond a note, and the same in every process.

A note plays the samples of its zones, shifted in pitch by linear interpolation, after a resampling
that moves it by whole octaves and to the sample rate without aliasing. Volume envelopes are those
of the SoundFont specification, section 9.1.7, with two deviations: the release is at most
`RELEASE_SECONDS`, so that labels tell what sounds, and filters, vibrato and modulators other than
velocity are left out.
"""

from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from musicssl.datasets.synthesis.compose import Part
from musicssl.datasets.synthesis.sound_font import SoundFont, Zone

RELEASE_SECONDS = 0.1  # in which a note that has ended falls by 100 dB, at most
VELOCITY = 100  # of notes that say nothing else
_LARGEST_FACTOR = 1000  # of a resampling
_SILENCE_DB = 100.0


def sample_part(
    font: SoundFont, part: Part, clip_seconds: float, sample_rate: int
) -> NDArray[np.float32]:
    """Render one part alone, dry, at the level of the font.

    Args:
        font: The font; keys that it does not have are silent, and velocities that it does not have
            play the samples of `VELOCITY`.
        part: The part.
        clip_seconds: Duration of the clip, in seconds.
        sample_rate: Sample rate, in Hz.

    Returns:
        Samples, (S,), S = `round(clip_seconds * sample_rate)`.
    """
    sound = np.zeros(round(clip_seconds * sample_rate), np.float32)
    percussion = part.instrument.percussion
    velocities = np.full(len(part.keys), VELOCITY) if part.velocities is None else part.velocities
    notes = zip(part.starts, part.durations, part.keys, velocities, strict=True)
    for start, duration, key, velocity in notes:
        first = round(float(start) * sample_rate)
        rest = sound[first:]
        zones = font.zones(part.program, percussion, int(key), int(velocity))
        zones = zones or font.zones(part.program, percussion, int(key), VELOCITY)
        for zone in zones:
            semitones = zone.semitones(int(key)) + part.cents / 100
            note = _note(font, zone, semitones, float(duration), sample_rate, len(rest))
            rest[: len(note)] += np.float32(np.square(velocity / 127)) * note
    return sound


def _note(
    font: SoundFont,
    zone: Zone,
    semitones: float,
    duration: float,
    sample_rate: int,
    longest: int,
) -> NDArray[np.float32]:
    """Return one zone of a note, with its release, at most `longest` samples."""
    octave = round(semitones / 12)
    wave, factor = _resampled(font, zone, octave, sample_rate)  # one sample longer than the zone's
    release = min(zone.envelope[4], RELEASE_SECONDS)
    count = min(longest, round((duration + release) * sample_rate))
    position = np.arange(count) * (zone.rate / sample_rate * factor * 2 ** (semitones / 12))
    if zone.loop is not None and (end := zone.loop[1] * factor) <= len(wave) - 1:
        start = zone.loop[0] * factor
        position = np.where(position < end, position, start + (position - start) % (end - start))
    else:
        position = position[position < len(wave) - 1]
    whole = position.astype(np.int64)
    rest = (position - whole).astype(np.float32)
    whole = np.minimum(whole, len(wave) - 2)
    note = wave[whole] + rest * (wave[whole + 1] - wave[whole])
    seconds = np.arange(len(note), dtype=np.float32) / np.float32(sample_rate)
    return note * _envelope(zone, seconds, duration, release)


def _envelope(
    zone: Zone, seconds: NDArray[np.float32], duration: float, release: float
) -> NDArray[np.float32]:
    """Return the amplitude at times since the start of a note.

    The attack is linear in amplitude, decay and release are linear in decibels.
    """
    attack, hold, decay, sustain_db, _ = zone.envelope
    fallen_db = np.clip((seconds - attack - hold) * (_SILENCE_DB / decay), 0, sustain_db)
    released_db = np.maximum(0, seconds - duration) * (_SILENCE_DB / release)
    level_db = -(fallen_db + released_db + zone.attenuation_db)
    amplitude = np.exp(level_db * np.float32(np.log(10) / 20))
    return np.asarray(np.minimum(seconds / attack, 1) * amplitude, np.float32)


@lru_cache(maxsize=2048)
def _resampled(
    font: SoundFont, zone: Zone, octave: int, sample_rate: int
) -> tuple[NDArray[np.float32], float]:
    """Return a zone's samples at another rate and octave, and the factor of their number."""
    from scipy.signal import resample_poly  # 0.2 s, which a rendered corpus does not need

    samples = font.samples(zone)
    factor = Fraction(sample_rate, zone.rate) / Fraction(2) ** octave
    if factor < 1:
        factor = 1 / (1 / factor).limit_denominator(_LARGEST_FACTOR)
    else:
        factor = factor.limit_denominator(_LARGEST_FACTOR)
    if len(samples) == 0:
        return np.zeros(2, np.float32), float(factor)
    wave = resample_poly(samples, factor.numerator, factor.denominator)
    last = wave[-1:] if zone.loop is not None else np.zeros(1, np.float32)
    return np.append(wave, last).astype(np.float32), float(factor)
