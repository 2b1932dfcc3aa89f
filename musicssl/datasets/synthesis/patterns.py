"""Random patterns of notes for each role, over a stretch of beats.

Every pattern has a note on its first beat, so that a part sounds from its start. Notes are
(beat, length in beats, key), with beats as floats; all are within the stretch.
"""

import numpy as np

from musicssl.datasets.synthesis.harmony import BEATS_PER_BAR, Harmony, key_at_or_above
from musicssl.datasets.synthesis.instruments import (
    CRASHES,
    KICKS,
    RIDES,
    SNARE,
    TOMS,
    Instrument,
    Role,
)

Note = tuple[float, float, int]

_REST = 0.15  # probability of a rest in a melody
_FIFTH = 0.3  # probability that the bass plays the fifth instead of the root
_ARPEGGIO = 0.5  # probability that chords are broken
_FILL = 0.15  # probability of an extra stroke


def play(
    rng: np.random.Generator, role: Role, instrument: Instrument, harmony: Harmony, beats: range
) -> list[Note]:
    """Draw the notes of a part in a stretch of beats.

    Args:
        rng: Generator of all choices.
        role: Role of the part.
        instrument: Instrument, whose range limits the notes.
        harmony: Harmony of the piece.
        beats: The stretch; at least one beat.

    Returns:
        Notes; at least one, the first of them on the first beat.
    """
    match role:
        case Role.BASS:
            return _bass(rng, instrument, harmony, beats)
        case Role.CHORDS if rng.random() < _ARPEGGIO:
            return _arpeggio(rng, instrument, harmony, beats)
        case Role.CHORDS:
            return _chords(rng, instrument, harmony, beats)
        case Role.MELODY:
            return _melody(rng, instrument, harmony, beats)
        case Role.DRUMS:
            return _drums(rng, beats)
        case Role.CYMBALS:
            return _cymbals(rng, beats)


def _steps(beats: range, step: float) -> list[tuple[float, float]]:
    """Return beat and length of notes at a distance of `step`; the last one may be shorter."""
    starts = np.arange(beats.start, beats.stop - 1e-6, step)
    return [(float(start), min(step, beats.stop - float(start))) for start in starts]


def _bass(
    rng: np.random.Generator, instrument: Instrument, harmony: Harmony, beats: range
) -> list[Note]:
    step = rng.choice([0.5, 1.0, 2.0])
    notes = []
    for beat, length in _steps(beats, step):
        root, _, fifth = harmony.chord(beat)
        tone = fifth if rng.random() < _FIFTH else root
        notes.append((beat, length, key_at_or_above(tone, instrument.low)))
    return notes


def _voicing(harmony: Harmony, beat: float, lowest: int) -> list[int]:
    return sorted(key_at_or_above(tone, lowest) for tone in harmony.chord(beat))


def _lowest_voice(rng: np.random.Generator, instrument: Instrument) -> int:
    return int(rng.integers(instrument.low, instrument.high - 11 + 1))


def _chords(
    rng: np.random.Generator, instrument: Instrument, harmony: Harmony, beats: range
) -> list[Note]:
    lowest = _lowest_voice(rng, instrument)
    step = rng.choice([1.0, 2.0, 4.0])
    return [
        (beat, length, key)
        for beat, length in _steps(beats, step)
        for key in _voicing(harmony, beat, lowest)
    ]


def _arpeggio(
    rng: np.random.Generator, instrument: Instrument, harmony: Harmony, beats: range
) -> list[Note]:
    lowest = _lowest_voice(rng, instrument)
    step = rng.choice([1 / 3, 0.5])
    figure = rng.permutation(3)
    return [
        (beat, length, _voicing(harmony, beat, lowest)[figure[i % 3]])
        for i, (beat, length) in enumerate(_steps(beats, step))
    ]


def _melody(
    rng: np.random.Generator, instrument: Instrument, harmony: Harmony, beats: range
) -> list[Note]:
    keys = harmony.keys(instrument.low, instrument.high)
    index = int(rng.integers(len(keys)))
    beat = float(beats.start)
    notes: list[Note] = []
    while beat < beats.stop:
        length = min(float(rng.choice([0.5, 1.0, 1.0, 2.0])), beats.stop - beat)
        if not notes or rng.random() >= _REST:
            notes.append((beat, length * rng.uniform(0.7, 1.0), keys[index]))
        index = int(np.clip(index + rng.integers(-3, 4), 0, len(keys) - 1))
        beat += length
    return notes


def _drums(rng: np.random.Generator, beats: range) -> list[Note]:
    kick, tom = int(rng.choice(KICKS)), int(rng.choice(TOMS))
    notes = []
    for beat, length in _steps(beats, 0.5):
        if beat % 1 == 0:
            backbeat = beat % BEATS_PER_BAR in (1, 3)
            notes.append((beat, length, SNARE if backbeat else kick))
        elif rng.random() < _FILL:
            notes.append((beat, length, int(rng.choice([kick, SNARE, tom]))))
    return notes


def _cymbals(rng: np.random.Generator, beats: range) -> list[Note]:
    steady, crash = int(rng.choice(RIDES)), int(rng.choice(CRASHES))
    step = rng.choice([0.5, 1.0])
    return [
        (beat, length, crash if rng.random() < _FILL else steady)
        for beat, length in _steps(beats, step)
    ]
