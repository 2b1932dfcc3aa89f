import os
import subprocess
import sys

import numpy as np
import pytest

from musicssl.datasets.synthesis import render as module
from musicssl.datasets.synthesis.activity import activity
from musicssl.datasets.synthesis.compose import Part, compose
from musicssl.datasets.synthesis.instruments import INSTRUMENTS
from musicssl.datasets.synthesis.render import render

RATE = 16_000
PLAYERS = [(column, p) for column, i in enumerate(INSTRUMENTS) for p in i.programs]


def one_note(column, program, key, start=1.0, duration=0.5):
    return Part(column, program, np.array([start]), np.array([duration]), np.array([key]))


@pytest.mark.parametrize(("column", "program"), PLAYERS)
def test_a_note_sounds_when_it_should_and_only_then(column, program):
    for key in range(INSTRUMENTS[column].low, INSTRUMENTS[column].high + 1):
        sound = np.abs(render(one_note(column, program, key), 2.0, RATE))
        assert sound.shape == (2 * RATE,)
        assert np.isfinite(sound).all()
        assert sound[:RATE].max() == 0
        peak = sound.max()
        assert 1e-3 < peak < 10
        onset = np.argmax(sound > 0.1 * peak) / RATE - 1.0
        assert onset < 0.05
        assert sound[int(1.6 * RATE) :].max() < 0.01 * peak  # released


def test_labels_tell_where_each_part_sounds():
    """Alone, a part is audible in each active second and silent in all others.

    The edges of an inactive second are left out: notes may reach into it by 0.05 s, and their
    release by as much again.
    """
    for number in range(60):
        for part in compose(np.random.default_rng([3, number]), 10.0, 2, 6):
            active = activity([part], 10, 1.0)[:, part.column]
            seconds = render(part, 10.0, RATE).reshape(10, RATE)
            power = np.square(seconds).mean(axis=1)
            assert (power[active] > 1e-4 * power.max()).all(), part.instrument.name
            inner = np.square(seconds[:, int(0.1 * RATE) : int(0.95 * RATE)]).mean(axis=1)
            assert (inner[~active] < 1e-6 * power.max()).all(), part.instrument.name


def test_what_was_played_before_changes_nothing():
    """The organs, among others, share samples at different levels."""
    parts = [one_note(column, p, INSTRUMENTS[column].low) for column, p in PLAYERS]
    alone = []
    for part in parts:
        module._synthesizer.cache_clear()
        alone.append(render(part, 2.0, RATE))
    again = [render(part, 2.0, RATE) for part in reversed(parts)][::-1]
    assert all(np.array_equal(left, right) for left, right in zip(alone, again, strict=True))


EVERY_KEY = """
import hashlib
import numpy as np
from musicssl.datasets.synthesis.compose import Part
from musicssl.datasets.synthesis.instruments import INSTRUMENTS
from musicssl.datasets.synthesis.render import render

digest = hashlib.sha256()
for column, instrument in enumerate(INSTRUMENTS):
    keys = np.arange(instrument.low, instrument.high + 1)
    starts = 0.2 * np.arange(len(keys))
    for program in instrument.programs:
        for share in (1.0, 0.7):
            durations = np.full(len(keys), share * instrument.ring_seconds)
            part = Part(column, program, starts, durations, keys)
            digest.update(render(part, starts[-1] + 4.0, 16_000).tobytes())
print(digest.hexdigest())
"""


@pytest.mark.slow
def test_no_key_plays_what_happens_to_lie_in_memory():
    """glibc fills free memory with another byte in each process; the sound must not change."""
    digests = {
        subprocess.run(
            [sys.executable, "-c", EVERY_KEY],
            env={
                **os.environ,
                "MALLOC_PERTURB_": byte,
                "MALLOC_MMAP_THRESHOLD_": "1000000000",  # large blocks from the heap as well
            },
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        ).stdout
        for byte in ("85", "170")
    }
    assert len(digests) == 1
