"""Clips cut from scores: a folder of MIDI files.

General MIDI programs become classes by `PROGRAMS` and drum keys by `DRUMS`; notes of all other
programs and keys are left out, so that everything that sounds has a label. A note is at most as
long as its instrument rings (`Instrument.ring_seconds`), so that a label is not longer than a
plucked sound, and at least `MIN_NOTE_SECONDS`. Pedals, controllers and pitch bends are left out.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreSecond, ScoreTick

from musicssl.cache import file_identity
from musicssl.datasets.synthesis.compose import MIN_NOTE_SECONDS, Part
from musicssl.datasets.synthesis.instruments import CLASSES, INSTRUMENTS
from musicssl.errors import InputError, printable

_MORE_PROGRAMS = {  # which the composer does not use
    "bass": (38, 39),
    "electric_guitar": (31,),
    "saxophone": (65,),
    "synthesizer": (83, 85, 86, 91, 92, 93, 94),
}
_DRUM_KEYS = {
    "drums": (35, 36, 37, 38, 40, 41, 43, 45, 47, 48, 50),
    "cymbals": (42, 44, 46, 49, 51, 52, 53, 55, 57, 59),
}
PROGRAMS = {  # General MIDI program -> column of its class
    program: column
    for column, instrument in enumerate(INSTRUMENTS)
    if not instrument.percussion
    for program in (*instrument.programs, *_MORE_PROGRAMS.get(instrument.name, ()))
}
DRUMS = {key: CLASSES.index(name) for name, keys in _DRUM_KEYS.items() for key in keys}

_ENDINGS = (".mid", ".midi")
_UNREADABLE = (RuntimeError, ValueError, IndexError, OSError, MemoryError)  # of symusic's reader
_SPLITS = {"test": 0.2, "val": 0.1}  # share of the scores; the others are for training
_MOST_NAMED = 5

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Score:
    """The notes of a score that have a class, in the order of their starts.

    Attributes:
        columns: Class of each note, (K,) int.
        programs: Program or kit of each note, (K,) int.
        starts: Starts, in seconds, (K,) float64.
        durations: Durations as they are played, in seconds, (K,) float64.
        keys: MIDI keys, (K,) int.
        velocities: MIDI velocities, (K,) int.
    """

    columns: NDArray[np.int64]
    programs: NDArray[np.int64]
    starts: NDArray[np.float64]
    durations: NDArray[np.float64]
    keys: NDArray[np.int64]
    velocities: NDArray[np.int64]

    def cut(self, start: float, clip_seconds: float) -> list[Part]:
        """Return the notes that sound in a stretch for `MIN_NOTE_SECONDS` or more.

        A note that has begun before is played for its rest.

        Args:
            start: Start of the stretch, in seconds.
            clip_seconds: Its duration, in seconds.

        Returns:
            One part for each program of a class, in the order of columns.
        """
        begin = np.maximum(self.starts - start, 0.0)
        end = np.minimum(self.starts + self.durations - start, clip_seconds)
        heard = end - begin >= MIN_NOTE_SECONDS - 1e-9
        players = np.unique(np.stack([self.columns[heard], self.programs[heard]], axis=1), axis=0)
        parts = []
        for column, program in players.tolist():
            rows = heard & (self.columns == column) & (self.programs == program)
            parts.append(
                Part(
                    column=column,
                    program=program,
                    starts=begin[rows],
                    durations=(end - begin)[rows],
                    keys=self.keys[rows],
                    velocities=self.velocities[rows],
                )
            )
        return parts

    def draw(self, rng: np.random.Generator, clip_seconds: float) -> list[Part]:
        """Cut a stretch that begins anywhere, or at the next note where nothing sounds."""
        last = float((self.starts + self.durations).max()) - clip_seconds
        start = rng.uniform(0, max(0.0, last))
        parts = self.cut(start, clip_seconds)
        if not parts:
            later = self.starts[self.starts >= start]
            parts = self.cut(float(later[0] if len(later) else self.starts[-1]), clip_seconds)
        return parts


@lru_cache(maxsize=64)
def read_score(path: Path) -> Score | str:
    """Read a MIDI file.

    Returns:
        The score, or why it cannot be used.
    """
    try:
        _check_chunks(path.read_bytes())
        tracks = _in_seconds(path).tracks
    except _UNREADABLE as error:
        return f"is no MIDI file that can be read ({printable(str(error)) or type(error).__name__})"
    rows = [
        (note.start, note.duration, note.pitch, note.velocity, column, track.program)
        for track in tracks
        for note in track.notes
        if (column := DRUMS.get(note.pitch) if track.is_drum else PROGRAMS.get(track.program))
        is not None
        and note.velocity > 0
    ]
    if not rows:
        return "has no note of a class"
    notes = np.array(sorted(rows))
    columns = notes[:, 4].astype(np.int64)
    rings = np.array([instrument.ring_seconds for instrument in INSTRUMENTS])[columns]
    return Score(
        columns=columns,
        programs=notes[:, 5].astype(np.int64),
        starts=notes[:, 0],
        durations=np.clip(notes[:, 1], MIN_NOTE_SECONDS, rings),
        keys=notes[:, 2].astype(np.int64),
        velocities=notes[:, 3].astype(np.int64),
    )


def _check_chunks(content: bytes) -> None:
    """Check that each chunk of a MIDI file is as long as its header says.

    symusic reads past the end of a file that is cut, so what it returns there depends on what
    lies behind the file in memory.

    Raises:
        ValueError: If the file ends within a chunk.
    """
    start = 0
    while start < len(content):
        name = content[start : start + 4]
        if not (b"MThd".startswith(name) or b"MTrk".startswith(name)):  # what follows is no chunk
            return
        content_start = start + 8  # after the name and the length
        end = content_start + int.from_bytes(content[start + 4 : content_start], "big")
        if max(content_start, end) > len(content):
            raise ValueError(f"it ends within the chunk that begins at byte {start}")
        start = end


def _in_seconds(path: Path) -> ScoreSecond:
    score = ScoreTick(path).to("second")
    assert isinstance(score, ScoreSecond)
    return score


@dataclass(frozen=True)
class ScoreFolder:
    """The scores of a folder, divided into splits.

    Attributes:
        folder: The folder.
        names: Paths of the scores within it, with `/`, ascending.
        identities: SHA-256 of their content.
        splits: Split of each score.
    """

    folder: Path
    names: tuple[str, ...]
    identities: tuple[str, ...]
    splits: tuple[str, ...]

    def draw_name(self, rng: np.random.Generator, split: str) -> str:
        """Draw a score of a split."""
        names = [name for name, of in zip(self.names, self.splits, strict=True) if of == split]
        return names[rng.integers(len(names))]

    def score(self, name: str) -> Score:
        """Return a score.

        Raises:
            InputError: If its file has changed since the folder was read, and cannot be used.
        """
        score = read_score(self.folder / name)
        if isinstance(score, str):
            raise InputError(f"{self.folder / name} {score}; put the file back as it was.")
        return score


def open_scores(folder: Path, rng: np.random.Generator) -> ScoreFolder:
    """Find the MIDI files of a folder and of those in it, and divide them into splits.

    A fifth of the scores is for testing, a tenth for validation, the others for training. Files
    with the same content count once. Files that cannot be used are listed in a warning.

    Args:
        folder: The folder.
        rng: Generator of the splits.

    Raises:
        InputError: If there are fewer than three scores that can be used.
    """
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}; dataset.scores is a folder of MIDI files.")
    found: dict[str, str] = {}
    unusable = []
    for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() in _ENDINGS):
        name, score = path.relative_to(folder).as_posix(), read_score(path)
        if isinstance(score, str):
            unusable.append(f"{name} {score}")
        else:
            found.setdefault(file_identity(path), name)
    listed = "; ".join(unusable[:_MOST_NAMED]) + ("; ..." if len(unusable) > _MOST_NAMED else "")
    if len(found) < len((*_SPLITS, "train")):
        raise InputError(
            f"{folder} has {len(found)} MIDI files that can be used, but train, val and test need "
            f"one each{f'; {listed}' if listed else ''}; add files that end in "
            f"{' or '.join(_ENDINGS)}."
        )
    if unusable:
        _log.warning("%d files of %s are left out: %s.", len(unusable), folder, listed)
    identity_of = dict(sorted((name, identity) for identity, name in found.items()))
    names = tuple(identity_of)
    splits = _draw_splits(rng, len(names))
    return ScoreFolder(folder, names, tuple(identity_of.values()), splits)


def _draw_splits(rng: np.random.Generator, count: int) -> tuple[str, ...]:
    order: Sequence[int] = rng.permutation(count).tolist()
    splits = ["train"] * count
    first = 0
    for split, share in _SPLITS.items():
        size = max(1, round(share * count))
        for row in order[first : first + size]:
            splits[row] = split
        first += size
    return tuple(splits)
