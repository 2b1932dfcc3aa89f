"""Tables of predictions, read with the standard library."""

import csv
import json
from pathlib import Path

import pytest

from musicssl.errors import InputError
from musicssl.inference.events import Event
from musicssl.inference.recordings import Recording
from musicssl.inference.tables import Row, check_suffix, write_table
from tests.support.predicted import prediction


def recording(name):
    return Recording(Path(name), Path(name), Path(name))


ROWS = [
    Row(
        recording("x/1.wav"),
        prediction([[0.1, 0.9], [0.3, 0.7]]),
        ["b"],
        [Event(0.0, 1.0, "b", 0.9)],
    ),
    Row(recording("=2.wav"), prediction([[0.5, 0.5]]), [], []),
]


def read(path):
    with path.open(newline="") as file:
        return list(csv.reader(file))


def test_a_csv_has_a_row_for_each_recording(tmp_path):
    path = tmp_path / "new" / "t.csv"
    write_table(path, ROWS)
    head, first, second = read(path)
    assert head == ["path", "labels", "a", "b"]
    assert first[:2] == ["x/1.wav", "b"]
    assert [float(score) for score in first[2:]] == pytest.approx([0.2, 0.8])
    assert second[0] == "'=2.wav"  # no formula for a spreadsheet
    assert second[1] == ""


def test_a_csv_over_time_has_a_row_for_each_instance(tmp_path):
    path = tmp_path / "t.csv"
    write_table(path, ROWS, timeline=True)
    head, *rows = read(path)
    assert head == ["path", "start", "end", "a", "b"]
    assert [row[:3] for row in rows[:2]] == [["x/1.wav", "0.0", "0.5"], ["x/1.wav", "0.5", "1.0"]]
    assert len(rows) == 3


def test_json_holds_all_of_it(tmp_path):
    path = tmp_path / "t.json"
    write_table(path, ROWS, timeline=True)
    first, second = json.loads(path.read_text())
    assert first["scores"] == pytest.approx({"a": 0.2, "b": 0.8})
    assert first["events"] == [{"start": 0.0, "end": 1.0, "name": "b", "score": 0.9}]
    assert first["timeline"][1] == pytest.approx([0.3, 0.7])
    assert second["labels"] == []
    write_table(path, [Row(recording("y"), ROWS[0].prediction)])
    assert json.loads(path.read_text())[0].keys() == {"path", "seconds", "scores"}


def test_nothing_predicted_is_an_empty_table(tmp_path):
    write_table(tmp_path / "t.csv", [])
    assert read(tmp_path / "t.csv") == [["path"]]


def test_other_endings_are_refused():
    with pytest.raises(InputError, match=r"\.csv or \.json"):
        check_suffix(Path("t.xlsx"))
