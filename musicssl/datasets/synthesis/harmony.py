"""Key and chords of a piece: the pitch classes at each beat."""

from dataclasses import dataclass

import numpy as np

BEATS_PER_BAR = 4
_MODES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
}
_PROGRESSIONS = (
    (0, 3, 4, 0),
    (0, 4, 5, 3),
    (0, 5, 3, 4),
    (1, 4, 0, 5),
    (0, 3, 0, 4),
    (5, 3, 0, 4),
    (0, 6, 3, 0),
)  # scale degrees from 0 on, one chord for each bar


@dataclass(frozen=True)
class Harmony:
    """A scale and a progression of its triads.

    Attributes:
        scale: Pitch classes of the seven degrees, 0 to 11.
        progression: Degree of the root of each bar's chord; repeated from the start.
    """

    scale: tuple[int, ...]
    progression: tuple[int, ...]

    def chord(self, beat: float) -> tuple[int, int, int]:
        """Return root, third and fifth at a beat, as pitch classes."""
        degree = self.progression[int(beat // BEATS_PER_BAR) % len(self.progression)]
        root, third, fifth = (self.scale[(degree + step) % 7] for step in (0, 2, 4))
        return root, third, fifth

    def keys(self, low: int, high: int) -> list[int]:
        """Return all keys of the scale from `low` to `high`."""
        return [key for key in range(low, high + 1) if key % 12 in self.scale]


def draw_harmony(rng: np.random.Generator) -> Harmony:
    """Draw tonic, mode and progression uniformly."""
    tonic = int(rng.integers(12))
    steps = list(_MODES.values())[rng.integers(len(_MODES))]
    progression = _PROGRESSIONS[rng.integers(len(_PROGRESSIONS))]
    return Harmony(tuple((tonic + step) % 12 for step in steps), progression)


def key_at_or_above(pitch_class: int, low: int) -> int:
    """Return the lowest key of a pitch class that is not below `low`.

    >>> key_at_or_above(0, 60), key_at_or_above(11, 60)
    (60, 71)
    """
    return low + (pitch_class - low) % 12
