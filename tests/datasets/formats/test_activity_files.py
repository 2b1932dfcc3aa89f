import pytest

from musicssl.datasets.formats.activity import read_confidences, read_intervals
from musicssl.errors import InputError

CONFIDENCES = "time,S01,S03,S02\n0.0,0.1,0.2,0.9\n0.9,0.49,0.1,0.1\n1.0,0.5,0.1,0.1\n"
INTERVALS = "start_time,end_time,instrument_label\n0.5,1.5,piano\n2.0,2.0,oboe\n0,3,flute\n"
COLUMN_OF_STEM = {"S01": 1, "S02": None, "S03": 1, "S04": 0}


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
def test_malformed_confidences_are_told(file, old, new, message):
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
def test_malformed_intervals_are_told(file, old, new, message):
    path = file(INTERVALS.replace(old, new, 1))
    with pytest.raises(InputError, match=message):
        read_intervals(path, {"piano": 4}, "mend it")
