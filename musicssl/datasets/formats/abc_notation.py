"""Tunes in ABC notation, the format of the public collections of folk music.

Only what single melodies need is read: key with mode, metre, unit length, accidentals, lengths,
ties, rests, chord symbols, triplets and other tuplets, broken rhythm, inline fields. Grace notes,
decorations and lyrics are left out; repeats are written once; of a chord of notes the first is
taken. See https://abcnotation.com/wiki/abc:standard:v2.1
"""

import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from musicssl.errors import InputError
from musicssl.limits import size_fault

_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_FIFTHS = {"F": -1, "C": 0, "G": 1, "D": 2, "A": 3, "E": 4, "B": 5}  # sharps of its major key
_MODES = {"maj": 0, "ion": 0, "mix": -1, "dor": -2, "min": -3, "m": -3, "aeo": -3, "phr": -4}
_MODES |= {"loc": -5, "lyd": 1, "": 0}
_IN_TIME_OF = {2: 3, 3: 2, 4: 3, 6: 2, 8: 3}  # notes of a tuplet; of the others 2, as in 4/4
_TOKEN = re.compile(
    r'"(?P<chord>[^"]*)"|(?P<skip>!.*?!|\+[a-z]+\+|\{.*?\}|%.*$)|\[(?P<field>[A-Za-z]):(?P<value>.*?)\]'
    r"|(?P<bar>:*\|[\]|]?:*|::|\[\d|\[\|)|\((?P<tuplet>[2-9])(?::\d*)*|(?P<broken>[<>]+)"
    r"|(?P<group>\[)|(?P<note>(?:\^{1,2}|_{1,2}|=)?[A-Ga-gzx])(?P<octave>[,']*)(?P<length>\d*/*\d*)"
    r"|(?P<tie>-)|\](?P<group_length>\d*/*\d*)"
)


class Event(NamedTuple):
    """A note or rest of a melody.

    Attributes:
        start: In whole notes, from the start of the tune.
        duration: In whole notes.
        key: MIDI key; None for a rest.
        chord: Name of the chord that sounds, such as "Am"; empty before the first one.
        bar: Number of the bar.
    """

    start: Fraction
    duration: Fraction
    key: int | None
    chord: str
    bar: int


class Tune(NamedTuple):
    """A tune: title, tonic (0 for C), whether its third is major, metre in whole notes, events."""

    title: str
    tonic: int
    is_major: bool
    metre: Fraction
    events: list[Event]


def read_abc(path: Path) -> list[Tune]:
    """Read all tunes of a file; those without a note are left out.

    Raises:
        InputError: If the file is no text or too large, or a tune has no key or a field that cannot
            be read.
    """
    try:
        if fault := size_fault(path.stat().st_size):
            raise InputError(f"{path} {fault}; divide it.")
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error}.") from error
    tunes = []
    for number, lines in enumerate(_tunes(text.splitlines()), start=1):
        try:
            tune = _tune(lines)
        except (ValueError, KeyError, ZeroDivisionError) as error:
            raise InputError(
                f"{path}: tune {number} cannot be read ({error}); correct or remove it."
            ) from error
        if any(event.key is not None for event in tune.events):
            tunes.append(tune)
    return tunes


def _tunes(lines: list[str]) -> Iterator[list[str]]:
    tune: list[str] = []
    for line in [*lines, "X:"]:
        if line.startswith("X:"):
            if any(other.startswith("K:") for other in tune):
                yield tune
            tune = []
        tune.append(line)


def _tune(lines: list[str]) -> Tune:
    fields = {"T": "", "M": "4/4"}
    body: list[str] = []
    for line in lines:
        if re.match(r"[A-Za-z]:", line):
            if not body or line[0] not in "TwW":
                fields.setdefault(line[0], "")
                fields[line[0]] = fields[line[0]] if line[0] == "T" and fields["T"] else line[2:]
            continue
        if "K" in fields:
            body.append(line)
    metre = {"C": "4/4", "C|": "2/2"}.get(fields["M"].strip(), fields["M"].strip())
    metre = metre if re.fullmatch(r"\d+/\d+", metre) else "4/4"
    default = "1/16" if Fraction(metre) < Fraction(3, 4) else "1/8"
    unit = Fraction(fields.get("L", default).strip())
    tonic, is_major, signature = _key(fields["K"])
    reader = _Reader(unit, signature)
    for line in body:
        reader.read(line)
    return Tune(fields["T"].strip(), tonic, is_major, Fraction(metre), reader.events)


def _key(text: str) -> tuple[int, bool, dict[str, int]]:
    """Return the tonic, whether its third is major, and the alteration of each letter."""
    found = re.match(r"\s*([A-G])([#b]?)\s*([A-Za-z]*)", text)
    if not found:
        return 0, True, dict.fromkeys(_STEPS, 0)
    letter, sign, mode = found.groups()
    mode = mode.lower() if mode.lower() in ("m", "") else mode.lower()[:3]
    mode = mode if mode in _MODES else ""  # such as a clef
    shift = {"#": 1, "b": -1, "": 0}[sign]
    sharps = _FIFTHS[letter] + 7 * shift + _MODES[mode]
    order = "FCGDAEB" if sharps > 0 else "BEADGCF"
    count = abs(sharps)
    signature = {
        name: (count // 7 + (order.index(name) < count % 7)) * (1 if sharps > 0 else -1)
        for name in _STEPS
    }
    return (_STEPS[letter] + shift) % 12, _MODES[mode] > -2, signature


class _Reader:
    """Reads the lines of one tune."""

    def __init__(self, unit: Fraction, signature: dict[str, int]) -> None:
        self.unit, self.signature = unit, signature
        self.events: list[Event] = []
        self._altered: dict[tuple[str, str], int] = {}
        self._now, self._chord, self._bar = Fraction(0), "", 0
        self._tuplet: tuple[int, Fraction] = (0, Fraction(1))
        self._next_scale, self._tied, self._in_group = Fraction(1), False, 0

    def read(self, line: str) -> None:
        for token in _TOKEN.finditer(line):
            parts = token.groupdict()
            if parts["chord"] is not None and parts["chord"][:1] in _STEPS:
                self._chord = parts["chord"]
            elif parts["field"] == "K":
                self.signature = _key(parts["value"])[2]
            elif parts["field"] == "L":
                self.unit = Fraction(parts["value"])
            elif parts["bar"] is not None:
                self._altered.clear()
                self._bar += bool(self.events) and self.events[-1].bar == self._bar
            elif parts["tuplet"] is not None:
                count = int(parts["tuplet"])
                self._tuplet = count, Fraction(_IN_TIME_OF.get(count, 2), count)
            elif parts["broken"] is not None:
                self._break(parts["broken"])
            elif parts["group"] is not None:
                self._in_group = 1
            elif parts["group_length"] is not None:
                self._in_group = 0
                self._lengthen(_length(parts["group_length"]))
            elif parts["tie"] is not None:
                self._tied = True
            elif parts["note"] is not None:
                self._add(parts["note"], parts["octave"], parts["length"])

    def _add(self, note: str, octave: str, length: str) -> None:
        if self._in_group == 2:  # the others of a chord of notes
            return
        self._in_group *= 2
        duration = self.unit * _length(length) * self._next_scale
        self._next_scale = Fraction(1)
        if self._tuplet[0]:
            duration *= self._tuplet[1]
            self._tuplet = (self._tuplet[0] - 1, self._tuplet[1])
        key = None if note[-1] in "zx" else self._pitch(note, octave)
        last = self.events[-1] if self.events else None
        if self._tied and last is not None and last.key == key and key is not None:
            self.events[-1] = last._replace(duration=last.duration + duration)
        else:
            self.events.append(Event(self._now, duration, key, self._chord, self._bar))
        self._tied = False
        self._now += duration

    def _pitch(self, note: str, octave: str) -> int:
        letter, signs = note[-1], note[:-1]
        place = (letter, octave)
        if signs:
            self._altered[place] = signs.count("^") - signs.count("_")
        alteration = self._altered.get(place, self.signature[letter.upper()])
        base = 60 + _STEPS[letter.upper()] + 12 * letter.islower() + alteration
        return base + 12 * (octave.count("'") - octave.count(","))

    def _break(self, signs: str) -> None:
        """Lengthen the last note by a half, and shorten the next one, or the other way round."""
        long, short = 2 - Fraction(1, 2 ** len(signs)), Fraction(1, 2 ** len(signs))
        scale, self._next_scale = (long, short) if signs[0] == ">" else (short, long)
        self._lengthen(scale)

    def _lengthen(self, scale: Fraction) -> None:
        """Multiply the duration of the last note."""
        if self.events:
            last = self.events[-1]
            self.events[-1] = last._replace(duration=last.duration * scale)
            self._now = last.start + last.duration * scale


def _length(text: str) -> Fraction:
    numerator, slashes, denominator = re.fullmatch(r"(\d*)(/*)(\d*)", text).groups()  # type: ignore[union-attr]
    below = int(denominator) if denominator else 2 ** len(slashes)
    return Fraction(int(numerator or 1), below)
