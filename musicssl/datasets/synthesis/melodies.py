"""The melodies of dMelodies by their rules: number <-> nine factors <-> sixteen tokens.

Pati, Gururani and Lerch 2020, "dMelodies: A Music Dataset for Disentanglement Learning",
https://arxiv.org/abs/2007.15067, section 3. A melody has two bars of eight eighths. Six eighths of
a bar are onsets, the others rests. The twelve notes are the chords I, IV, V and I of a scale, three
notes each, played upwards or downwards.

The number of a melody counts the combinations of factors, the last factor fastest.
"""

from itertools import combinations
from math import prod

import numpy as np
from numpy.typing import NDArray

from musicssl.data import melodies

FACTORS = {  # the number of values of each
    "tonic": 12,  # C, C#, ..., B
    "octave": 3,  # of the root: 4, 5, 6
    "scale": 3,  # major, minor, blues
    "rhythm_bar1": 28,
    "rhythm_bar2": 28,
    "arp_chord1": 2,  # upwards, downwards
    "arp_chord2": 2,
    "arp_chord3": 2,
    "arp_chord4": 2,
}
COUNT = prod(FACTORS.values())  # 1,354,752
TICKS = 16  # eighths of a melody
REST, SLUR = 0, 1  # tokens
_FIRST_TOKEN, _LOWEST = 2, 60  # of a note: that of C4, and its MIDI pitch
_HIGHEST = 109  # of the ninth note of a major scale on B6
_NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
TOKENS = (
    *("rest", "slur"),
    *(f"{_NAMES[pitch % 12]}{pitch // 12 - 1}" for pitch in range(_LOWEST, _HIGHEST + 1)),
)

Integers = NDArray[np.int64]

_SCALES = np.array(  # semitones above the root: major, harmonic minor, blues
    [
        [0, 2, 4, 5, 7, 9, 11, 12, 14],
        [0, 2, 3, 5, 7, 8, 11, 12, 14],
        [0, 2, 3, 5, 6, 9, 10, 12, 14],
    ]
)
_CHORDS = np.array([[0, 2, 4], [3, 5, 7], [4, 6, 8], [0, 2, 4]])  # degrees of the scale
_RHYTHMS = np.array(list(combinations(range(8), 6)))  # onsets within a bar, (28, 6)
_OF_NOTES = [0, 1, 2, 5, 6, 7, 8]  # columns of the factors that notes depend on
_SIZES_OF_NOTES = tuple(np.array(list(FACTORS.values()))[_OF_NOTES])


def factors_of(numbers: Integers) -> Integers:
    """Return the factors of melodies, (N,) -> (N, 9), each from 0 up.

    >>> factors_of(np.array([0, 1_354_751])).tolist()
    [[0, 0, 0, 0, 0, 0, 0, 0, 0], [11, 2, 2, 27, 27, 1, 1, 1, 1]]
    """
    return np.stack(np.unravel_index(numbers, tuple(FACTORS.values())), axis=1)


def numbers_of(factors: Integers) -> Integers:
    """Return the numbers of melodies by their factors, (N, 9) -> (N,)."""
    numbers: Integers = np.ravel_multi_index(tuple(factors.T), tuple(FACTORS.values()))
    return numbers


def tokens_of(factors: Integers) -> NDArray[np.uint8]:
    """Return the tokens of melodies by their factors, (N, 9) -> (N, 16); see `TOKENS`."""
    notes = np.ravel_multi_index(tuple(factors[:, _OF_NOTES].T), _SIZES_OF_NOTES)
    rhythms = factors[:, 3] * len(_RHYTHMS) + factors[:, 4]
    tokens: NDArray[np.uint8] = _NOTES[notes[:, None], _PLACES[rhythms]]
    return tokens


def factors_in(tokens: NDArray[np.integer]) -> Integers:
    """Find the factors of melodies in their tokens, (N, 16) -> (N, 9).

    A factor that tokens do not have is -1. Each rhythm is found by itself. Of the notes all that
    depends on where they are in a chord needs twelve notes: the direction of a chord is the sign of
    its last note minus its first one, root and scale are those whose chords have these notes.

    Args:
        tokens: Tokens of any melodies, also of those that a network has made.
    """
    sounding = tokens > SLUR
    factors = np.full((len(tokens), 9), -1, np.int64)
    for column, bar in ((3, sounding[:, :8]), (4, sounding[:, 8:])):
        known = bar.sum(axis=1) == 6
        onsets = np.nonzero(bar[known])[1].reshape(-1, 6)
        factors[known, column] = (onsets[:, None] == _RHYTHMS).all(axis=2).argmax(axis=1)
    whole = sounding.sum(axis=1) == 12
    chords = tokens[whole][sounding[whole]].reshape(-1, 4, 3).astype(np.int64)
    rise = chords[:, :, 2] - chords[:, :, 0]
    factors[whole, 5:] = np.where(rise == 0, -1, rise < 0)
    root = chords.min(axis=(1, 2))
    sets = np.sort(chords - root[:, None, None], axis=2)[:, None]  # (M, 1, 4, 3)
    fits = (sets == _SCALES[:, _CHORDS]).all(axis=(2, 3))  # (M, 3)
    place = root - _FIRST_TOKEN
    found = fits.any(axis=1) & (place < 36)
    pitch = np.stack([place % 12, place // 12, fits.argmax(axis=1)], axis=1)
    factors[whole, :3] = np.where(found[:, None], pitch, -1)
    return factors


def pitches_of(tokens: NDArray[np.integer]) -> Integers:
    """Return the MIDI pitch of each token, or `REST` or `HOLD` of `musicssl.data.melodies`."""
    pitches = tokens.astype(np.int64) - _FIRST_TOKEN + _LOWEST
    pitches[tokens == REST] = melodies.REST
    pitches[tokens == SLUR] = melodies.HOLD
    return pitches


def _all_notes() -> NDArray[np.uint8]:
    """Return the notes of all tonics, octaves, scales and directions, and a rest, (1728, 13)."""
    values = np.stack(np.unravel_index(np.arange(prod(_SIZES_OF_NOTES)), _SIZES_OF_NOTES), axis=1)
    root, scale = values[:, 0] + 12 * values[:, 1], values[:, 2]
    degrees = np.where(values[:, 3:, None] == 0, _CHORDS, _CHORDS[:, ::-1])  # (1728, 4, 3)
    notes = _FIRST_TOKEN + root[:, None] + _SCALES[scale[:, None], degrees.reshape(-1, 12)]
    with_rest: NDArray[np.uint8] = np.insert(notes, 12, REST, axis=1).astype(np.uint8)
    return with_rest


def _all_places() -> NDArray[np.uint8]:
    """Return which note each eighth has, for all pairs of rhythms, (784, 16); 12 is the rest."""
    places = np.full((len(_RHYTHMS) ** 2, TICKS), 12, np.uint8)
    first, second = np.divmod(np.arange(len(places)), len(_RHYTHMS))
    onsets = np.concatenate([_RHYTHMS[first], 8 + _RHYTHMS[second]], axis=1)
    np.put_along_axis(places, onsets, np.arange(12, dtype=np.uint8)[None], axis=1)
    return places


_NOTES, _PLACES = _all_notes(), _all_places()
