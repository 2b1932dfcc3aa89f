"""Random composition of a piece for a small band.

Parts are of different classes, drawn uniformly and independently, so that no class predicts
another. A part starts and ends on a beat within the clip: the active classes change during a clip,
so that localisation in time is a task as well.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from musicssl.datasets.synthesis.harmony import Harmony, draw_harmony
from musicssl.datasets.synthesis.instruments import INSTRUMENTS, Instrument
from musicssl.datasets.synthesis.patterns import play

MIN_NOTE_SECONDS = 0.1
OCTAVE = 11  # keys above the lowest one: all twelve pitch classes
_TEMPO = (70.0, 160.0)  # beats per minute
_SHARE = (0.1, 0.5)  # fraction of the clip for which a part plays
_MIN_BEATS = 2  # for which a part plays


@dataclass(frozen=True, eq=False)
class Part:
    """The notes of one instrument.

    Attributes:
        column: Class of the instrument, an index into `INSTRUMENTS`.
        program: General MIDI program, or kit.
        starts: Starts of the notes, in seconds, (K,) float64.
        durations: Durations of the notes, in seconds, (K,) float64, at least `MIN_NOTE_SECONDS`.
        keys: MIDI keys of the notes, (K,) int.
        velocities: MIDI velocities of the notes, (K,) int, or None if all are played alike.
        cents: Tuning of the instrument, in cents above standard pitch.
    """

    column: int
    program: int
    starts: NDArray[np.float64]
    durations: NDArray[np.float64]
    keys: NDArray[np.int64]
    velocities: NDArray[np.int64] | None = None
    cents: float = 0.0

    @property
    def instrument(self) -> Instrument:
        """The instrument of the part."""
        return INSTRUMENTS[self.column]


def compose(
    rng: np.random.Generator,
    clip_seconds: float,
    min_parts: int,
    max_parts: int,
    register: tuple[float, float] = (0.0, 1.0),
) -> list[Part]:
    """Draw a piece.

    Args:
        rng: Generator of all choices.
        clip_seconds: Duration of the clip, at least 2 s; all notes end within it.
        min_parts: Smallest number of parts, at least 1.
        max_parts: Largest number of parts, at most 20; drawn uniformly.
        register: Share of each instrument's range that is played, from 0 (lowest key) to 1; an
            octave or more. Percussion has no range.

    Returns:
        The parts, in column order, each with one note or more.
    """
    tempo = rng.uniform(*_TEMPO)
    harmony = draw_harmony(rng)
    count = rng.integers(min_parts, max_parts + 1)
    columns = np.sort(rng.choice(len(INSTRUMENTS), count, replace=False))
    return [
        _draw_part(rng, int(column), register, harmony, tempo, clip_seconds) for column in columns
    ]


def _draw_part(
    rng: np.random.Generator,
    column: int,
    register: tuple[float, float],
    harmony: Harmony,
    tempo: float,
    clip_seconds: float,
) -> Part:
    instrument = within_register(INSTRUMENTS[column], register)
    role = instrument.roles[rng.integers(len(instrument.roles))]
    beats = _draw_beats(rng, int(np.ceil(clip_seconds * tempo / 60)))
    notes = np.array(play(rng, role, instrument, harmony, beats))  # (K, 3)
    starts = notes[:, 0] * 60 / tempo
    audible = starts <= clip_seconds - MIN_NOTE_SECONDS
    starts = starts[audible]
    longest = np.minimum(instrument.ring_seconds, clip_seconds - starts)
    return Part(
        column=column,
        program=int(rng.choice(instrument.programs)),
        starts=starts,
        durations=np.clip(notes[audible, 1] * 60 / tempo, MIN_NOTE_SECONDS, longest),
        keys=notes[audible, 2].astype(np.int64),
    )


def within_register(instrument: Instrument, register: tuple[float, float]) -> Instrument:
    """Return the instrument with a share of its range, at least an octave of it."""
    if instrument.percussion:
        return instrument
    low, high = (
        instrument.low + round(share * (instrument.high - instrument.low)) for share in register
    )
    low = min(low, instrument.high - OCTAVE)
    return replace(instrument, low=low, high=max(high, low + OCTAVE))


def _draw_beats(rng: np.random.Generator, count: int) -> range:
    """Draw the beats of a part, among the `count` beats that begin in the clip."""
    length = max(_MIN_BEATS, round(rng.uniform(*_SHARE) * count))
    start = int(rng.integers(count - length + 1))
    return range(start, start + length)
