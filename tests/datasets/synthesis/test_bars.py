"""Oracles: a bar by hand, and loops over ticks and notes as the published definitions read."""

from itertools import pairwise

import numpy as np
import pytest

from musicssl.data.melodies import HOLD, REST
from musicssl.datasets.formats.abc_bars import TICKS
from musicssl.datasets.synthesis.bars import (
    HIGHEST,
    LOWEST,
    TOKENS,
    attributes_of,
    compose,
    pitches_of,
    tokens_of,
)

WEIGHTS = [  # as published, tick by tick
    *[0.2, 1, 2, 0.5, 2, 1, 0.67, 1, 2, 0.5, 2, 1],
    *[0.25, 1, 2, 0.5, 2, 1, 0.67, 1, 2, 0.5, 2, 1],
]


def bar(notes):
    pitches = np.full(TICKS, HOLD)
    for tick, pitch in notes.items():
        pitches[tick] = pitch
    return pitches


def by_loops(pitches):
    notes = [int(pitch) for pitch in pitches if pitch not in (REST, HOLD)]
    weight = 0.0
    for tick, pitch in enumerate(pitches):
        if pitch not in (REST, HOLD):
            weight += WEIGHTS[tick]
    contour = 0
    for first, second in pairwise(notes):
        contour += second - first
    span = max(notes) - min(notes)
    return [weight / sum(WEIGHTS), span / 26, len(notes) / 24, contour / 26]


def test_attributes_by_hand():
    bars = [bar({0: 60, 6: 64, 12: 67, 18: 72}), bar({0: REST, 3: 72, 5: REST, 14: 60})]
    np.testing.assert_allclose(
        attributes_of(np.stack(bars)),
        [
            [(0.2 + 0.67 + 0.25 + 0.67) / 27.79, 12 / 26, 4 / 24, 12 / 26],
            [(0.5 + 2) / 27.79, 12 / 26, 2 / 24, -12 / 26],
        ],
    )


def test_attributes_of_any_bars_are_those_of_loops():
    rng = np.random.default_rng(0)
    bars = rng.integers(LOWEST, HIGHEST + 1, size=(200, TICKS))
    bars[rng.random(bars.shape) < 0.6] = HOLD
    bars[rng.random(bars.shape) < 0.1] = REST
    bars = bars[(bars >= 0).any(axis=1)]
    np.testing.assert_allclose(attributes_of(bars), [by_loops(row) for row in bars])


def test_a_transposed_bar_has_the_same_attributes_and_an_inverted_one_the_opposite_contour():
    bars = compose(np.random.default_rng(1))
    found = attributes_of(bars)
    np.testing.assert_array_equal(attributes_of(np.where(bars >= 0, bars + 5, bars)), found)
    inverted = attributes_of(np.where(bars >= 0, 140 - bars, bars))
    np.testing.assert_allclose(inverted, found * [1, 1, 1, -1])


def test_a_bar_without_a_note_has_no_range_and_no_contour():
    found = attributes_of(np.stack([bar({0: REST}), bar({})]))
    np.testing.assert_array_equal(found, [[0, np.nan, 0, np.nan]] * 2)


def test_tokens_are_pitches_rests_and_holds_by_name():
    pitches = np.array([[60, HOLD, REST, LOWEST, HIGHEST]])
    tokens = tokens_of(pitches)
    assert [TOKENS[token] for token in tokens[0]] == ["C4", "hold", "rest", "C3", "D7"]
    assert len(TOKENS) == 53
    np.testing.assert_array_equal(pitches_of(tokens), pitches)


@pytest.mark.parametrize("seed", range(3))
def test_composed_bars_begin_with_a_note_and_keep_to_a_scale(seed):
    bars = compose(np.random.default_rng(seed))
    assert bars.shape == (16, TICKS)
    assert (bars[:, 0] >= 0).all()
    used = {int(pitch) % 12 for pitch in bars[bars >= 0]}
    assert len(used) <= 7
    assert bars[bars >= 0].min() >= LOWEST
    assert bars.max() <= HIGHEST
    np.testing.assert_array_equal(bars, compose(np.random.default_rng(seed)))
