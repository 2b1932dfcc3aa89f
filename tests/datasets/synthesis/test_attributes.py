"""Oracles: loops over notes and samples, sounds of known level and frequency."""

import math

import numpy as np
import pytest

from musicssl.datasets.synthesis.attributes import ATTRIBUTES, attributes_of
from musicssl.datasets.synthesis.compose import Part, compose

RATE = 8000


def test_they_are_what_loops_over_notes_and_samples_say():
    rng = np.random.default_rng(0)
    parts = compose(rng, 4.0, 3, 6)
    sound = rng.uniform(-0.5, 0.5, 400).astype(np.float32)
    notes = 0
    for part in parts:
        for _ in part.starts:
            notes += 1
    square = sum(float(s) ** 2 for s in sound) / len(sound)
    weighted = total = 0.0
    for k in range(201):
        of_bin = sum(
            float(s) * complex(math.cos(a), -math.sin(a))
            for s, a in zip(sound, 2 * np.pi * k * np.arange(400) / 400, strict=True)
        )
        total += abs(of_bin) ** 2
        weighted += k * RATE / 400 * abs(of_bin) ** 2
    expected = [
        10 * math.log10(square),
        notes / (400 / RATE),
        len(parts),
        weighted / total / 1000,
    ]
    np.testing.assert_allclose(attributes_of(parts, sound, RATE), expected, rtol=1e-6)
    assert ATTRIBUTES == ("loudness", "density", "parts", "brightness")


def test_a_sine_has_its_level_and_its_frequency():
    seconds = np.arange(RATE) / RATE
    part = Part(2, 33, np.array([0.0, 0.5]), np.array([0.5, 0.5]), np.array([40, 45]))
    found = attributes_of([part], 0.5 * np.sin(2 * np.pi * 1000 * seconds), RATE)
    np.testing.assert_allclose(found, [20 * math.log10(0.5 / math.sqrt(2)), 2, 1, 1], atol=1e-6)


def test_two_parts_of_an_instrument_are_one():
    """As scores may have, with two tracks of the same program."""
    part = Part(2, 33, np.zeros(1), np.ones(1), np.array([40]))
    assert attributes_of([part, part], np.ones(10), RATE)[2] == 1


def test_silence_has_a_level():
    found = attributes_of([], np.zeros(100), RATE)
    assert found.tolist() == pytest.approx([-200, 0, 0, 0])
