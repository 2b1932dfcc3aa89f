"""Bars of ABC files on a grid of 24 ticks. Oracles: bars by hand, the files that were written."""

from fractions import Fraction

import numpy as np
import pytest

from musicssl.data.melodies import HOLD, REST
from musicssl.datasets.formats.abc_bars import GRID, TICKS, bars_of, tunes_in
from musicssl.datasets.formats.abc_notation import read_abc
from musicssl.errors import InputError

HEAD = "X:1\nT:One\nM:4/4\nL:1/4\nK:C\n"


def bars(tmp_path, text):
    (tmp_path / "a.abc").write_text(text)
    [tune] = read_abc(tmp_path / "a.abc")
    return bars_of(tune)


def begun(row):
    return {int(tick): int(row[tick]) for tick in np.flatnonzero(row != HOLD)}


def test_the_ticks_are_quarters_and_thirds_of_beats():
    of_beat = [Fraction(0), *(Fraction(1, n) for n in (4, 3, 2)), Fraction(2, 3), Fraction(3, 4)]
    assert GRID.tolist() == pytest.approx([(b + float(o)) / 4 for b in range(4) for o in of_beat])
    assert len(GRID) == TICKS


def test_onsets_rests_and_full_bars(tmp_path):
    found = bars(tmp_path, HEAD + "C D/E/ (3F/G/A/ z|c4|G2|C4|]")
    assert found.shape == (3, TICKS)  # the third bar is not full
    assert begun(found[0]) == {0: 60, 6: 62, 9: 64, 12: 65, 14: 67, 16: 69, 18: REST}
    assert [begun(row) for row in found[1:]] == [{0: 72}, {0: 60}]


def test_what_lies_between_ticks_moves_to_the_nearest_and_the_last_stays(tmp_path):
    [found] = bars(tmp_path, HEAD.replace("1/4\nK", "1/32\nK") + "C D E2 F4 z24|")
    assert begun(found) == {0: 62, 1: 64, 3: 65, 6: REST}


def test_bars_of_other_metres_and_over_a_tie_are_left_out(tmp_path):
    assert bars(tmp_path, HEAD.replace("4/4", "6/8") + "C6|").shape == (0, TICKS)
    found = bars(tmp_path, HEAD + "C4|D3 E-|E D3|F4|")
    assert [begun(row) for row in found] == [{0: 60}, {0: 65}]


def test_a_length_without_end_makes_no_bar(tmp_path):
    assert len(bars(tmp_path, HEAD + "C" + "9" * 400 + " D|")) == 0


def test_tunes_of_folders_have_names_of_their_own(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "b.abc").write_text(HEAD + "C4|\n\n" + HEAD.replace("One", "Two") + "D4|")
    (tmp_path / "a.abc").write_text(HEAD + "E4|")
    (tmp_path / "notes.txt").write_text("no tune")
    found = [(name, tune.title) for name, tune in tunes_in(tmp_path)]
    assert found == [("a.abc:0", "One"), ("in/b.abc:0", "One"), ("in/b.abc:1", "Two")]


def test_a_file_that_is_too_large_is_refused(tmp_path, monkeypatch):
    (tmp_path / "a.abc").write_text(HEAD + "C4|")
    monkeypatch.setattr("musicssl.limits.LARGEST_TABLE", 10)
    with pytest.raises(InputError, match=r"a\.abc has \d+ bytes, more than the 10"):
        list(tunes_in(tmp_path))
