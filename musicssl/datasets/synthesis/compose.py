"""Who plays what when: a random draw -> a piece for a small band.

Each part is another class, drawn without regard to the others and equally often, so that no class
gives another away. It enters and leaves on a beat within the clip: what sounds in one second need
not sound in the next, and finding it in time is a task of its own.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musicssl.datasets.synthesis.harmony import Harmony, draw_harmony
from musicssl.datasets.synthesis.instruments import INSTRUMENTS, Instrument
from musicssl.datasets.synthesis.patterns import play

MIN_NOTE_SECONDS = 0.1
_TEMPO = (70.0, 160.0)  # beats per minute
_SHARE = (0.1, 0.5)  # of the clip for which a part plays
_MIN_BEATS = 2  # for which a part plays


@dataclass(frozen=True, eq=False)
class Part:
    """What one instrument plays.

    Attributes:
        column: Its class, as an index into `INSTRUMENTS`.
        program: The General MIDI program, or kit, that sounds.
        starts: Of its notes, in seconds, (K,) float64.
        durations: Of its notes, in seconds, (K,) float64, at least `MIN_NOTE_SECONDS`.
        keys: Of its notes, (K,) int.
    """

    column: int
    program: int
    starts: NDArray[np.float64]
    durations: NDArray[np.float64]
    keys: NDArray[np.int64]

    @property
    def instrument(self) -> Instrument:
        """The class that plays."""
        return INSTRUMENTS[self.column]


def compose(
    rng: np.random.Generator, clip_seconds: float, min_parts: int, max_parts: int
) -> list[Part]:
    """Draw a piece.

    Args:
        rng: Where all choices come from.
        clip_seconds: Duration of the clip, at least 2 s; no note outlasts it.
        min_parts: Fewest parts, at least 1.
        max_parts: Most parts, at most 20; each number between is as likely.

    Returns:
        The parts, in column order, each with a note or more.
    """
    tempo = rng.uniform(*_TEMPO)
    harmony = draw_harmony(rng)
    count = rng.integers(min_parts, max_parts + 1)
    columns = np.sort(rng.choice(len(INSTRUMENTS), count, replace=False))
    return [_draw_part(rng, int(column), harmony, tempo, clip_seconds) for column in columns]


def _draw_part(
    rng: np.random.Generator, column: int, harmony: Harmony, tempo: float, clip_seconds: float
) -> Part:
    instrument = INSTRUMENTS[column]
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


def _draw_beats(rng: np.random.Generator, count: int) -> range:
    """Choose when a part plays, among the `count` beats that begin in the clip."""
    length = max(_MIN_BEATS, round(rng.uniform(*_SHARE) * count))
    start = int(rng.integers(count - length + 1))
    return range(start, start + length)
