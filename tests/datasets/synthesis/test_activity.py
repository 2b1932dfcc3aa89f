import numpy as np
import pytest

from musicssl.datasets.synthesis.activity import MIN_SOUNDING_SECONDS, activity
from musicssl.datasets.synthesis.compose import Part, compose


def part(starts, durations, column=3):
    keys = np.full(len(starts), 60)
    return Part(column, 42, np.array(starts, float), np.array(durations, float), keys)


@pytest.mark.parametrize(
    ("start", "duration", "seconds"),
    [
        (0.0, 1.0, [0]),
        (0.5, 2.0, [0, 1, 2]),
        (0.96, 0.5, [1]),  # 0.04 s before the second begins is too little
        (0.94, 0.1, [0]),  # and so is 0.04 s after it
        (0.95, 0.1, [0, 1]),
        (3.9, 0.1, [3]),
    ],
)
def test_a_note_is_active_where_it_sounds_long_enough(start, duration, seconds):
    active = activity([part([start], [duration])], 4, 1.0)
    assert np.flatnonzero(active[:, 3]).tolist() == seconds
    assert active.sum() == len(seconds)


@pytest.mark.parametrize("instance_seconds", [0.06, 0.5, 1.0])
def test_agrees_with_counting_milliseconds(instance_seconds):
    count = round(3 / instance_seconds)
    parts = compose(np.random.default_rng(0), 3.0, 10, 10)
    expected = np.zeros((count, 20), bool)
    needed = min(MIN_SOUNDING_SECONDS, instance_seconds / 2)
    for player in parts:
        for start, duration in zip(player.starts, player.durations, strict=True):
            ticks = np.arange(round(start * 1e5), round((start + duration) * 1e5)) / 1e5
            sounding = np.bincount((ticks / instance_seconds).astype(int), minlength=count)[:count]
            expected[:, player.column] |= sounding / 1e5 > needed - 2e-5
    assert np.array_equal(activity(parts, count, instance_seconds), expected)
