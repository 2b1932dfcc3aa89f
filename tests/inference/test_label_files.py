"""Events as files that other programs read."""

import json

import pytest

from musicssl.errors import InputError
from musicssl.inference.events import Event
from musicssl.inference.label_files import read_audacity, write_audacity, write_jams

EVENTS = [Event(0.0, 1.5, "drums", 0.9), Event(0.25, 2.0, "ba\tss\n", 0.5)]


def test_a_label_track_round_trips(tmp_path):
    path = tmp_path / "labels.txt"
    write_audacity(path, EVENTS)
    assert path.read_text().splitlines()[0] == "0.000000\t1.500000\tdrums"
    expected = [(0.0, 1.5, "drums"), (0.25, 2.0, "ba\\tss\\n")]
    assert read_audacity(path) == expected
    path.write_text(path.read_text() + "\\\t100.0\t200.0\n\n")  # frequencies, as Audacity has them
    assert read_audacity(path) == expected


def test_a_file_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_bytes("0\t1\tx".encode("utf-16"))
    with pytest.raises(InputError, match=r"labels\.txt cannot be read"):
        read_audacity(path)


@pytest.mark.parametrize("row", ["1.0", "a\tb\tc", "1.0\t2.0"])
def test_other_files_are_refused(tmp_path, row):
    path = tmp_path / "labels.txt"
    path.write_text(f"0\t1\tx\n{row}\n")
    with pytest.raises(InputError, match="line 2 is no label of Audacity"):
        read_audacity(path)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what jams imports
def test_jams_are_valid(tmp_path):
    """Oracle: the schema of the package jams."""
    jams = pytest.importorskip("jams", reason="jams reads what is written; pip install jams")
    path = tmp_path / "a.jams"
    write_jams(path, EVENTS, 3.0)
    read = jams.load(str(path), validate=True, strict=True)
    [annotation] = read.annotations
    assert annotation.namespace == "tag_open"
    found = [(o.time, o.duration, o.value, o.confidence) for o in annotation.data]
    assert found == [(e.start, e.end - e.start, e.name, e.score) for e in EVENTS]
    assert json.loads(path.read_text())["file_metadata"]["duration"] == 3.0
