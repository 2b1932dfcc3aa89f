import numpy as np
import pytest

from musicssl.datasets.formats.activity import (
    Interval,
    activity_of_frames,
    activity_of_intervals,
    stacked,
)


@pytest.mark.parametrize("seconds", [0.5, 1.0, 5.0])
def test_frames_are_joined_as_a_loop_over_them_does(seconds):
    rng = np.random.default_rng(0)
    times = np.cumsum(rng.uniform(0.01, 0.3, 200))
    active = rng.random((200, 3)) < 0.1
    expected = np.zeros((int(times[-1] / seconds) + 1, 3), bool)
    for time, frame in zip(times, active, strict=True):
        for column in range(3):
            if frame[column]:
                expected[int(time / seconds), column] = True
    np.testing.assert_array_equal(activity_of_frames(times, active, seconds), expected)


def test_a_longer_stretch_is_the_maximum_of_shorter_ones():
    rng = np.random.default_rng(1)
    times = np.arange(0, 20, 0.0464)
    active = rng.random((len(times), 4)) < 0.02
    ones, fives = (activity_of_frames(times, active, seconds) for seconds in (1.0, 5.0))
    np.testing.assert_array_equal(fives, ones.reshape(4, 5, 4).any(axis=1))


def test_intervals_are_active_where_their_frames_are():
    rng = np.random.default_rng(2)
    times = np.arange(400) * 0.0464
    spans = [(int(start), int(start + rng.integers(60))) for start in rng.integers(0, 340, 8)]
    active = np.zeros((400, 2), bool)
    intervals = []
    for first, last in spans:
        column = int(rng.integers(2))
        active[first : last + 1, column] = True
        intervals.append(Interval(times[first], times[last], column))
    by_frames = activity_of_frames(times, active, 1.0)
    by_intervals = activity_of_intervals(intervals, 2, 1.0)
    np.testing.assert_array_equal(by_intervals, by_frames[: len(by_intervals)])
    assert not by_frames[len(by_intervals) :].any()


def test_no_interval_is_no_stretch():
    assert activity_of_intervals([], 3, 1.0).shape == (0, 3)


def test_clips_are_stacked_with_nothing_active_past_their_ends():
    whole = stacked([np.ones((1, 2), bool), np.ones((3, 2), bool)])
    assert whole[:, :, 0].tolist() == [[True, False, False], [True, True, True]]
