import numpy as np
import pytest

from musicssl.datasets.formats.activity import (
    Interval,
    activity_of_frames,
    activity_of_intervals,
    read_confidences,
    read_intervals,
    stacked,
)
from musicssl.errors import InputError

CONFIDENCES = "time,S01,S03,S02\n0.0,0.1,0.2,0.9\n0.9,0.49,0.1,0.1\n1.0,0.5,0.1,0.1\n"
INTERVALS = "start_time,end_time,instrument_label\n0.5,1.5,piano\n2.0,2.0,oboe\n0,3,flute\n"
COLUMN_OF_STEM = {"S01": 1, "S02": None, "S03": 1, "S04": 0}


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


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "song.lab"
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize(
    ("threshold", "active"),
    [(0.5, [False, False, True]), (0.15, [True, True, True]), (0.2, [True, True, True])],
)
def test_a_class_is_active_if_one_of_its_stems_is(file, threshold, active):
    times, found = read_confidences(file(CONFIDENCES), COLUMN_OF_STEM, 2, threshold, "mend it")
    assert times.tolist() == [0.0, 0.9, 1.0]
    assert found[:, 1].tolist() == active
    assert not found[:, 0].any()  # its stem is not in the file


def test_intervals_of_known_instruments_are_read(file):
    found = read_intervals(file(INTERVALS), {"piano": 4, "oboe": 0}, "mend it")
    assert found == [(0.5, 1.5, 4), (2.0, 2.0, 0)]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("S01", "S09", "numbers of the song's stems, .* starts with 'time,S09.*; mend it"),
        ("time", "Time", "must have a head of `time`"),
        (",0.49,", ",much,", r"song\.lab is malformed .*much.*; mend it"),
        (",0.49,", ",", r"song\.lab is malformed .*columns changed"),
        (",S02", "", "4 cells a line under 3 names"),
        ("\n1.0,", "\n0.5,", "times that do not ascend"),
        (CONFIDENCES, "", "line for each frame"),
        (CONFIDENCES, "time,S01\n", "line for each frame"),
    ],
)
def test_malformed_confidences_are_reported(file, old, new, message):
    path = file(CONFIDENCES.replace(old, new, 1))
    with pytest.raises(InputError, match=message):
        read_confidences(path, COLUMN_OF_STEM, 2, 0.5, "mend it")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("0.5,1.5", "1.5,0.5", r"line 2 .* lasts from 1\.5 to 0\.5 s; mend it"),
        ("0.5,1.5", "0.5,nan", r"line 2 .* lasts from 0\.5 to nan s"),
        ("0.5,1.5", "0.5,inf", r"line 2 .* lasts from 0\.5 to inf s"),
        ("0.5,1.5", "0.5,late", "line 2 .* is malformed .*late"),
        ("instrument_label", "label", "no column 'instrument_label'"),
    ],
)
def test_malformed_intervals_are_reported(file, old, new, message):
    path = file(INTERVALS.replace(old, new, 1))
    with pytest.raises(InputError, match=message):
        read_intervals(path, {"piano": 4}, "mend it")
