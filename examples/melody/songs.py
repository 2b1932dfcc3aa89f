"""Songs as sequences of notes with their chords, from ABC files or composed by rule."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musicssl.data.corpus import Corpus, InMemory
from musicssl.datasets.formats.abc_notation import read_abc
from musicssl.errors import InputError

BAR = 96  # positions of a bar, and ticks of a whole note
REST, LOWEST, PITCHES = 88, 21, 89  # tokens: 88 keys of a piano, and a rest
DURATIONS = (1, 2, 3, 4, 6, 8, 9, 12, 16, 18, 24, 30, 32, 36, 48, 60, 72, 84, 96)  # ticks, 19
COLUMNS = 3 + 13 + 13  # pitch, duration, position; root and pitch classes of chord and next chord
_TONICS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_KINDS = {  # pitch classes above the root
    **{"": (0, 4, 7), "m": (0, 3, 7), "7": (0, 4, 7, 10), "m7": (0, 3, 7, 10)},
    **{"maj7": (0, 4, 7, 11), "dim": (0, 3, 6), "aug": (0, 4, 8), "sus4": (0, 5, 7)},
}
_SHARE = {"test": 0.2, "val": 0.1}


class Chord(NamedTuple):
    """A chord: its root, 0 for C, and its pitch classes."""

    root: int
    classes: frozenset[int]


class Note(NamedTuple):
    """A note: tokens of pitch and duration, position in the bar, chord, and the chord after it."""

    pitch: int
    duration: int
    position: int
    chord: Chord
    next_chord: Chord


class Song(NamedTuple):
    """A song: its name, whether it is in major, and its notes."""

    name: str
    is_major: bool
    notes: list[Note]


@dataclass(frozen=True)
class Songs(InMemory):
    """Windows of songs; the class of a clip is whether its song is in major.

    Attributes:
        root: Folder of .abc files with chord symbols; None for songs composed by rule.
        songs: Number of songs composed by rule.
        window: Notes of a clip.
        divide: "songs": all windows of a song are in one split. "windows": they are divided at
            random as in the source's code, so that validation and test know their songs.
        seed: Of the composed songs and of the split.
    """

    root: str | None = None
    songs: int = 240
    window: int = 64
    divide: str = "songs"
    seed: int = 0

    def load(self) -> Corpus:
        """Read or compose the songs, and cut them into windows.

        Raises:
            InputError: If the folder has no song, or `divide` is unknown.
        """
        if self.divide not in ("songs", "windows"):
            raise InputError(f"dataset.divide must be songs or windows, got {self.divide}.")
        rng = np.random.default_rng(self.seed)
        if self.root is None:
            songs = [compose(rng, f"song{number}") for number in range(self.songs)]
        else:
            songs = read_songs(Path(self.root))
        clips = [
            (song, start, song.notes[start : start + self.window])
            for song in songs
            for start in range(0, max(1, len(song.notes) - self.window // 2), self.window)
        ]
        x = np.zeros((len(clips), self.window, COLUMNS), np.float32)
        for row, (_, _, notes) in enumerate(clips):
            x[row, : len(notes)] = [columns(note) for note in notes]
        names = np.array([song.name for song, *_ in clips])
        units = names if self.divide == "songs" else np.arange(len(clips)).astype(str)
        return Corpus(
            name="songs",
            classes=("major",),
            x=x,
            y=np.array([[song.is_major] for song, *_ in clips], np.float32),
            mask=np.ones((len(clips), 1), bool),
            split=split_of(units, rng),
            clip_ids=np.array([f"{song.name}:{start}" for song, start, _ in clips]),
            lengths=np.array([len(notes) for *_, notes in clips]),
            groups=names if self.divide == "songs" else None,
        )


def split_of(units: NDArray[np.str_], rng: np.random.Generator) -> NDArray[np.str_]:
    """Return the split of each clip, (N,); clips of the same unit have the same one."""
    names, members = np.unique(units, return_inverse=True)
    places = rng.permutation(len(names)) / len(names)
    splits = np.where(places < _SHARE["test"], "test", "train")
    splits[(places >= _SHARE["test"]) & (places < sum(_SHARE.values()))] = "val"
    chosen: NDArray[np.str_] = splits[members]
    return chosen


def columns(note: Note) -> list[int]:
    """Return what the corpus holds of a note, `COLUMNS` numbers."""
    chords = [[c.root, *(int(k in c.classes) for k in range(12))] for c in note[3:]]
    return [note.pitch, note.duration, note.position, *chords[0], *chords[1]]


def duration_token(ticks: float) -> int:
    """Return the token of the nearest duration."""
    return int(np.argmin([abs(ticks - duration) for duration in DURATIONS]))


def read_songs(folder: Path) -> list[Song]:
    """Read the tunes of all .abc files of a folder that have chord symbols.

    Raises:
        InputError: If there is none.
    """
    songs = []
    for path in sorted(folder.rglob("*.abc")):
        for number, tune in enumerate(read_abc(path)):
            known = [(e, c) for e in tune.events if (c := chord_named(e.chord)) is not None]
            if not known:
                continue
            events, chords = [e for e, _ in known], [c for _, c in known]
            following = after(chords)
            starts = {e.bar: e.start for e in reversed(events)}
            notes = [
                Note(
                    pitch=REST if e.key is None else int(np.clip(e.key - LOWEST, 0, REST - 1)),
                    duration=duration_token(float(e.duration * BAR)),
                    position=min(round((e.start - starts[e.bar]) * BAR), BAR - 1),
                    chord=chord,
                    next_chord=next_chord,
                )
                for e, chord, next_chord in zip(events, chords, following, strict=True)
            ]
            name = f"{path.relative_to(folder)}:{number}:{tune.title}"
            songs.append(Song(name, tune.is_major, notes))
    if not songs:
        raise InputError(
            f'{folder} has no .abc file with chord symbols such as "Am"; give another folder, '
            "data.root=/data/nottingham."
        )
    return songs


def after(chords: Sequence[Chord]) -> list[Chord]:
    """Return for each note the next chord that differs; the last chord is followed by itself."""
    following = [chords[-1]] * len(chords)
    for row in range(len(chords) - 2, -1, -1):
        following[row] = chords[row + 1] if chords[row + 1] != chords[row] else following[row + 1]
    return following


def chord_named(name: str) -> Chord | None:
    """Return the chord of a name such as "F#m7/A", or None if it is none; the bass is left out."""
    if not name or name[0] not in _TONICS:
        return None
    sign = {"#": 1, "b": -1}.get(name[1:2], 0)
    kind = name[1 + abs(sign) :].partition("/")[0].replace("min", "m")
    intervals = next((_KINDS[kind[:n]] for n in range(len(kind), -1, -1) if kind[:n] in _KINDS), ())
    root = (_TONICS[name[0]] + sign) % 12
    return Chord(root, frozenset((root + i) % 12 for i in intervals))


def compose(rng: np.random.Generator, name: str, bars: int = 24) -> Song:
    """Compose a song by rule: pitch, duration, position and chords depend on each other.

    On a beat of a half bar most notes are of the chord, elsewhere most are a step from the note
    before; the last note before a chord changes leads to the root of the next one by a step. Long
    notes begin on half bars, and notes of the chord are longer than others.
    """
    is_major, tonic = bool(rng.integers(2)), int(rng.integers(3))
    scale = (0, 2, 4, 5, 7, 9, 11) if is_major else (0, 2, 3, 5, 7, 8, 10)
    keys = [k for k in range(55, 80) if (k - tonic) % 12 in scale]
    degrees = [int(d) for d in rng.choice(7, bars + 1)]
    chords = []
    for degree in degrees:
        classes = [(tonic + scale[(degree + third) % 7]) % 12 for third in (0, 2, 4)]
        chords.append(Chord(classes[0], frozenset(classes)))
    notes, key = [], int(rng.choice(keys))
    for bar in range(bars):
        position = 0
        while position < BAR:
            strong = position % 48 == 0
            chord, following = chords[bar], chords[bar + 1]
            lengths, shares = ((24, 36, 48), (0.5, 0.2, 0.3)) if strong else ((12, 24), (0.7, 0.3))
            ticks = min(int(rng.choice(lengths, p=shares)), BAR - position)
            if ticks == BAR - position and not strong:
                goals = [k + d for k in range(55, 80) if k % 12 == following.root for d in (-1, 1)]
            elif strong and rng.random() < 0.9:
                goals = [k for k in keys if k % 12 in chord.classes]
            else:
                goals = [k for k in keys if 0 < abs(k - key) < 4]
            nearest = sorted(goals, key=lambda k: abs(k - key))[:2]
            key = int(rng.choice(nearest))
            if key % 12 not in chord.classes:
                ticks = min(ticks, 12)
            notes.append(Note(key - LOWEST, duration_token(ticks), position, chord, following))
            position += ticks
    return Song(name, is_major, notes)
