"""Bars of 24 ticks as tokens, their four attributes, and tunes that are composed by rule.

Pati and Lerch 2021, "Attribute-based regularization of latent spaces for variational
auto-encoders", https://arxiv.org/abs/2004.05485, section 4.1, and the authors' code: tokens,
attributes and the weights of ticks. The rules of the tunes are ours.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from musicssl.data import melodies
from musicssl.datasets.formats.abc_bars import TICKS

ATTRIBUTES = ("rhythmic_complexity", "pitch_range", "note_density", "contour")
"""In the order of the dimensions that the authors regularise."""
LOWEST, HIGHEST = 48, 98  # MIDI pitches that have a token, C3 to D7
REST, HOLD = 0, 1  # tokens; the authors call the second one a slur
_FIRST_TOKEN = 2  # of a note, that of the lowest
_NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
TOKENS = (
    *("rest", "hold"),
    *(f"{_NAMES[pitch % 12]}{pitch // 12 - 1}" for pitch in range(LOWEST, HIGHEST + 1)),
)

_SEMITONES = 26  # that are 1 in range and contour
_AFTER_BEAT = (1, 2, 0.5, 2, 1)  # weights of the ticks after the first one of a beat
_WEIGHTS = np.concatenate([(on_beat, *_AFTER_BEAT) for on_beat in (0.2, 0.67, 0.25, 0.67)])

_BARS = 16  # of a composed tune
_BEATS = ((0,), (0, 3), (0, 3), (0, 3), (0, 5), (0, 3, 5), (0, 2, 4), (0, 1, 3, 5), ())  # ticks
_REST_SHARE = 0.05  # of the onsets of a composed tune
_SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 9, 10), (0, 2, 3, 5, 7, 8, 10))
_TONICS = (55, 57, 60, 62, 64)
_HIGHEST_DEGREE = 11  # above the tonic, an octave and a half

Integers = NDArray[np.int64]


def tokens_of(pitches: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Return the tokens of bars, (N, T), given as `musicssl.data.melodies.Melodies` gives them."""
    tokens = pitches - LOWEST + _FIRST_TOKEN
    tokens[pitches == melodies.REST] = REST
    tokens[pitches == melodies.HOLD] = HOLD
    return tokens.astype(np.uint8)


def pitches_of(tokens: NDArray[np.integer]) -> Integers:
    """Return the MIDI pitch of each token, or `REST` or `HOLD` of `musicssl.data.melodies`."""
    pitches = tokens.astype(np.int64) - _FIRST_TOKEN + LOWEST
    pitches[tokens == REST] = melodies.REST
    pitches[tokens == HOLD] = melodies.HOLD
    return pitches


def attributes_of(pitches: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return the attributes of bars, (N, 24) pitches -> (N, 4), in the order of `ATTRIBUTES`.

    An onset is a tick at which a note begins.

    - rhythmic_complexity: Sum of the weights of the ticks with an onset, over that of all ticks,
      which is 27.79. The first tick weighs 0.2, the third beat 0.25, the other beats 0.67, and
      the ticks after a beat 1, 2, 0.5, 2 and 1.
    - pitch_range: Highest minus lowest pitch, in semitones, over 26.
    - note_density: Number of onsets over 24.
    - contour: Sum of the intervals from note to note, in semitones, over 26.

    Range and contour of a bar without a note are NaN.
    """
    onsets = pitches >= 0
    count = onsets.sum(axis=1)
    some = count > 0
    complexity = (onsets * _WEIGHTS).sum(axis=1) / _WEIGHTS.sum()
    span, contour = np.full((2, len(pitches)), np.nan)
    of_some = pitches[some]
    span[some] = of_some.max(axis=1) - of_some.min(axis=1, initial=127, where=onsets[some])
    rows, last = np.arange(len(of_some)), TICKS - 1 - onsets[some, ::-1].argmax(axis=1)
    contour[some] = of_some[rows, last] - of_some[rows, onsets[some].argmax(axis=1)]
    return np.stack([complexity, span / _SEMITONES, count / TICKS, contour / _SEMITONES], axis=1)


def compose(rng: np.random.Generator) -> Integers:
    """Compose a tune of sixteen bars in 4/4, pitches (16, 24).

    Each beat has one of eight rhythms, of quarters to sixteenths, or goes on with the note before.
    The melody walks in steps of a scale, by two at most, and begins each bar anew.
    """
    scale = _SCALES[rng.integers(len(_SCALES))]
    tonic = _TONICS[rng.integers(len(_TONICS))]
    rhythms = rng.integers(len(_BEATS), size=(_BARS, 4)).tolist()
    first = rng.integers(_HIGHEST_DEGREE + 1, size=_BARS).tolist()
    steps = rng.integers(-2, 3, size=(_BARS, TICKS)).tolist()
    rests = (rng.random((_BARS, TICKS)) < _REST_SHARE).tolist()
    bars = np.full((_BARS, TICKS), melodies.HOLD)
    for number, bar in enumerate(bars):
        degree = first[number]
        for tick in _onsets(rhythms[number]):
            bar[tick] = tonic + scale[degree % 7] + 12 * (degree // 7)
            degree = min(max(degree + steps[number][tick], 0), _HIGHEST_DEGREE)
            if tick > 0 and rests[number][tick]:
                bar[tick] = melodies.REST
    return bars


def _onsets(rhythms: Sequence[int]) -> list[int]:
    """Return the ticks of a bar at which something begins; the first one is among them."""
    ticks = [6 * beat + tick for beat, kind in enumerate(rhythms) for tick in _BEATS[kind]]
    return ticks if 0 in ticks else [0, *ticks]
