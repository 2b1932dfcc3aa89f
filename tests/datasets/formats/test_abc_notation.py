"""ABC notation: what each sign means, by the standard."""

from fractions import Fraction

import pytest

from musicssl.datasets.formats.abc_notation import read_abc
from musicssl.errors import InputError

HEAD = "X:1\nT:A tune\nM:4/4\nL:1/8\nK:C\n"


def tune(tmp_path, text):
    (tmp_path / "tunes.abc").write_text(text)
    [found] = read_abc(tmp_path / "tunes.abc")
    return found


def keys(tmp_path, text):
    return [event.key for event in tune(tmp_path, text).events]


def eighths(tmp_path, body):
    return [event.duration * 8 for event in tune(tmp_path, HEAD + body).events]


def test_pitches(tmp_path):
    assert keys(tmp_path, HEAD + "C c c' C, ^C _D =C z") == [60, 72, 84, 48, 61, 61, 60, None]


def test_an_accidental_holds_until_the_bar_ends(tmp_path):
    assert keys(tmp_path, HEAD + "^F F f | F") == [66, 66, 77, 65]


@pytest.mark.parametrize(
    ("key", "tonic", "is_major", "scale"),
    [
        ("G", 7, True, [60, 62, 64, 66, 67, 69, 71]),
        ("Em", 4, False, [60, 62, 64, 66, 67, 69, 71]),
        ("Ador", 9, False, [60, 62, 64, 66, 67, 69, 71]),
        ("D mix", 2, True, [60, 62, 64, 66, 67, 69, 71]),
        ("Bb", 10, True, [60, 62, 63, 65, 67, 69, 70]),
        ("C#", 1, True, [61, 63, 65, 66, 68, 70, 72]),
        ("F lydian", 5, True, [60, 62, 64, 65, 67, 69, 71]),
        ("C clef=treble", 0, True, [60, 62, 64, 65, 67, 69, 71]),
    ],
)
def test_keys_and_modes(tmp_path, key, tonic, is_major, scale):
    found = tune(tmp_path, HEAD.replace("K:C", f"K:{key}") + "CDEFGAB")
    assert (found.tonic, found.is_major) == (tonic, is_major)
    assert [event.key for event in found.events] == scale


def test_lengths(tmp_path):
    assert eighths(tmp_path, "C C2 C/ C/2 C3/2 C// z4") == [
        *(1, 2, Fraction(1, 2), Fraction(1, 2), Fraction(3, 2), Fraction(1, 4), 4)
    ]


def test_tuplets_broken_rhythm_and_ties(tmp_path):
    third = Fraction(2, 3)
    assert eighths(tmp_path, "(3CDE F") == [third, third, third, 1]
    assert eighths(tmp_path, "C>D E<F G") == [
        *(Fraction(3, 2), Fraction(1, 2), Fraction(1, 2), Fraction(3, 2), 1)
    ]
    assert eighths(tmp_path, "C2- | C2 D-E") == [4, 1, 1]


def test_what_is_left_out(tmp_path):
    body = '!trill!C {AB}D "^slowly"E [CEG]2 F % a comment\nw: la la\nG\n'
    assert keys(tmp_path, HEAD + body) == [60, 62, 64, 60, 65, 67]
    assert eighths(tmp_path, "[CEG]2 D") == [2, 1]


def test_bars_and_chords_and_fields(tmp_path):
    found = tune(tmp_path, HEAD + '|: "C"C4 E4 | "G7"G8 :| [K:D] F8 |]')
    assert [event.bar for event in found.events] == [0, 0, 1, 2]
    assert [event.chord for event in found.events] == ["C", "C", "G7", "G7"]
    assert [event.start for event in found.events] == [0, Fraction(1, 2), 1, 2]
    assert found.events[-1].key == 66


def test_several_tunes_and_mistakes(tmp_path):
    path = tmp_path / "tunes.abc"
    path.write_text(HEAD + "C\n\n" + HEAD.replace("X:1", "X:2").replace("4/4", "6/8") + "D\n")
    assert [(t.title, t.metre) for t in read_abc(path)] == [
        ("A tune", 1),
        ("A tune", Fraction(3, 4)),
    ]
    path.write_text(HEAD.replace("1/8", "one") + "C\n")
    with pytest.raises(InputError, match="tune 1 cannot be read"):
        read_abc(path)
