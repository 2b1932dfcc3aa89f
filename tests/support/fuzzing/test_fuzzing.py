"""Some damaged inputs of each reader, and how the command counts; `make fuzz` tries a million."""

import json
import os
import random
import time

import numpy as np
import pytest

from musicssl.errors import InputError
from tests.support.fuzzing import __main__ as fuzzing
from tests.support.fuzzing import trials
from tests.support.fuzzing.readers import READERS, Reader
from tests.support.fuzzing.trials import Counts, Files


@pytest.mark.parametrize("name", READERS)
@pytest.mark.filterwarnings("ignore")  # the outcome is looked at, not what libraries remark
def test_damaged_files_are_read_or_refused_with_a_sentence(tmp_path, name):
    files = Files(name, tmp_path / "files")
    for file, (_, content) in files.valid.items():
        assert files.outcome(file, content) == "read", file
    tried = [(number, files.outcome(*files.damaged(number))) for number in range(60)]
    assert [one for one in tried if one[1] not in ("read", "refused")] == []
    assert {outcome for _, outcome in tried} == {"read", "refused"}


def read_first_byte(folder, name):
    """Do what the first byte of a file says: all that a reader must not do, and what it may."""
    first = (folder / name).read_bytes()[0]
    deeds = {
        1: lambda: {}["key"],
        2: lambda: np.ones(1 << 30),
        3: lambda: os._exit(7),
        4: lambda: time.sleep(30),
        5: lambda: raises(InputError("one\ntwo")),
        6: lambda: raises(InputError("one")),
    }
    if first in deeds:
        deeds[first]()


def raises(error):
    raise error


@pytest.fixture
def odd(tmp_path, monkeypatch):
    """A reader whose inputs are the numbers from 0 to 7."""

    def prepare(folder):
        (folder / "a").write_bytes(b"\0")
        return {"a": (lambda content, rng: bytes([rng.number % 8]),)}

    class Numbered(random.Random):
        def __init__(self, words):
            super().__init__(words)
            self.number = int(words.split()[-1])

    monkeypatch.setattr(trials.random, "Random", Numbered)
    monkeypatch.setattr(trials, "HANGS", 0.5)
    reader = Reader(prepare, read_first_byte)
    for module in (trials, fuzzing):
        monkeypatch.setattr(module, "READERS", {"odd": reader})
    return tmp_path / "kept"


def test_all_that_is_not_reading_or_refusing_is_counted(odd, tmp_path):
    files, counts = Files("odd", tmp_path / "files"), Counts()
    files.try_more(counts, 8)
    assert (counts.tried, counts.read, counts.refused) == (8, 2, 1)
    said = {number: what.partition(": ")[2] for number, what in counts.unexplained.items()}
    assert list(said) == ["1", "2", "3", "4", "5"]
    assert said["1"] == "KeyError: 'key'"
    assert "MemoryError" in said["2"]
    assert said["3"] == "ends the process with status 7"
    assert said["4"] == "ends the process with status -9"
    assert said["5"] == "several lines: one\ntwo"


def test_the_command_goes_on_where_it_stopped_and_tries_again_what_was_unexplained(
    odd, capsys, monkeypatch
):
    command = ["--readers", "odd", "--kept", str(odd), "--inputs"]
    assert fuzzing.main([*command, "4"]) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == "4 inputs, 3 unexplained"
    assert sorted(path.name for path in (odd / "odd").iterdir()) == ["1", "2", "3"]
    assert (odd / "odd" / "3").read_bytes() == b"\3"

    mended = Reader(fuzzing.READERS["odd"].prepare, lambda folder, name: None)
    for module in (trials, fuzzing):
        monkeypatch.setattr(module, "READERS", {"odd": mended})
    assert fuzzing.main([*command, "6"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == "6 inputs, 0 unexplained"
    stored = json.loads((odd / "counts.json").read_text())["odd"]
    assert (stored["tried"], stored["read"], stored["unexplained"]) == (6, 6, {})
    assert list((odd / "odd").iterdir()) == []
