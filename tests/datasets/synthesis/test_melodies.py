"""Oracle: a slow loop from the rules of the paper, melody by melody; counts from the paper."""

from itertools import combinations, product

import numpy as np
import pytest

from musicssl.data.melodies import HOLD
from musicssl.datasets.synthesis.melodies import (
    COUNT,
    FACTORS,
    REST,
    SLUR,
    TICKS,
    TOKENS,
    factors_in,
    factors_of,
    numbers_of,
    pitches_of,
    tokens_of,
)

SEMITONES = {
    0: [0, 2, 4, 5, 7, 9, 11, 12, 14],
    1: [0, 2, 3, 5, 7, 8, 11, 12, 14],
    2: [0, 2, 3, 5, 6, 9, 10, 12, 14],
}
RHYTHMS = list(combinations(range(8), 6))


def slowly(tonic, octave, scale, first, second, *directions):
    """Return a melody as MIDI pitches, None for a rest."""
    root = 12 * (octave + 5) + tonic
    pitches = []
    for degrees, down in zip([[0, 2, 4], [3, 5, 7], [4, 6, 8], [0, 2, 4]], directions, strict=True):
        for degree in degrees[::-1] if down else degrees:
            pitches.append(root + SEMITONES[scale][degree])
    bars = [
        bar * 8 + place for bar, rhythm in enumerate((first, second)) for place in RHYTHMS[rhythm]
    ]
    melody = [None] * 16
    for place, pitch in zip(bars, pitches, strict=True):
        melody[place] = pitch
    return melody


def random_numbers(count, seed=0):
    return np.random.default_rng(seed).integers(0, COUNT, count)


def name_of(pitch):
    names = ["C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"]
    return "rest" if pitch is None else f"{names[pitch % 12]}{pitch // 12 - 1}"


def test_there_are_as_many_melodies_factors_and_tokens_as_published():
    assert COUNT == 12 * 3 * 3 * 28 * 28 * 2**4 == 1_354_752
    assert (len(FACTORS), TICKS, len(TOKENS), len(set(TOKENS))) == (9, 16, 52, 52)
    assert (TOKENS[REST], TOKENS[SLUR], TOKENS[2], TOKENS[-1]) == ("rest", "slur", "C4", "C#8")


def test_factors_are_numbered_with_the_last_one_fastest():
    sizes = list(FACTORS.values())
    expected = list(product(range(12), range(3), range(3), range(28)))[:40]
    found = factors_of(np.arange(40) * 28 * 16)
    np.testing.assert_array_equal(found[:, :4], expected)
    np.testing.assert_array_equal(factors_of(np.array([COUNT - 1]))[0], np.array(sizes) - 1)


def test_melodies_are_those_of_the_rules():
    factors = factors_of(random_numbers(300))
    for row, tokens in zip(factors.tolist(), tokens_of(factors).tolist(), strict=True):
        assert [TOKENS[token] for token in tokens] == [name_of(p) for p in slowly(*row)]


def test_pitches_are_those_of_the_rules():
    factors = factors_of(random_numbers(100, seed=2))
    expected = [[-1 if p is None else p for p in slowly(*row)] for row in factors.tolist()]
    np.testing.assert_array_equal(pitches_of(tokens_of(factors)), expected)
    np.testing.assert_array_equal(pitches_of(np.array([[2, SLUR, REST]])), [[60, HOLD, -1]])


def test_a_thousand_melodies_are_decoded_to_their_nine_factors():
    numbers = random_numbers(1000, seed=1)
    factors = factors_of(numbers)
    found = factors_in(tokens_of(factors))
    np.testing.assert_array_equal(found, factors)
    np.testing.assert_array_equal(numbers_of(found), numbers)


@pytest.mark.slow
def test_all_melodies_are_decoded_so_that_no_two_are_alike():
    factors = factors_of(np.arange(COUNT))
    assert (factors_in(tokens_of(factors)) == factors).all()


def test_what_a_melody_does_not_have_is_minus_one():
    [tokens] = tokens_of(factors_of(random_numbers(1)))
    whole = factors_in(tokens[None])[0]
    second = tokens.copy()
    second[8 + np.flatnonzero(tokens[8:] > SLUR)[0]] = REST  # five onsets in bar 2
    found = factors_in(second[None])[0]
    assert found[3] == whole[3]
    np.testing.assert_array_equal(found[[0, 1, 2, 4, 5, 6, 7, 8]], -1)
    wrong = tokens.copy()
    wrong[np.flatnonzero(tokens > SLUR)[0]] += 1  # in no scale
    found = factors_in(wrong[None])[0]
    np.testing.assert_array_equal(found[:3], -1)
    np.testing.assert_array_equal(found[3:5], whole[3:5])
    np.testing.assert_array_equal(factors_in(np.full((1, 16), SLUR)), np.full((1, 9), -1))
