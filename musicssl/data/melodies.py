"""The interface of datasets of melodies, with which decoded melodies can be drawn and measured."""

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

REST, HOLD = -1, -2  # in place of a MIDI pitch; HOLD continues the note before


@runtime_checkable
class Melodies(Protocol):
    """A dataset whose clips are rows of T tokens, one for each tick of a melody."""

    def pitches_of(self, tokens: NDArray[np.integer]) -> NDArray[np.int64]:
        """Return the MIDI pitch of each tick, `REST` or `HOLD`, (N, T) -> (N, T)."""

    def attributes_of(self, tokens: NDArray[np.integer]) -> NDArray[np.float64]:
        """Return the attributes of any melodies, (N, T) -> (N, A).

        They are those of the corpus, in the order of its classes; NaN where a melody has none, as
        melodies that a network makes may not.
        """


def notes_of(pitches: NDArray[np.integer]) -> list[tuple[int, int, int]]:
    """Return the notes of a melody, (T,), as start, ticks and MIDI pitch; a lone `HOLD` is a rest.

    >>> notes_of(np.array([60, HOLD, REST, 64, 64]))
    [(0, 2, 60), (3, 1, 64), (4, 1, 64)]
    """
    notes: list[tuple[int, int, int]] = []
    sounding = False
    for tick, pitch in enumerate(pitches.tolist()):
        if pitch == HOLD and sounding:
            start, length, held = notes[-1]
            notes[-1] = (start, length + 1, held)
            continue
        sounding = pitch >= 0
        if sounding:
            notes.append((tick, 1, pitch))
    return notes
