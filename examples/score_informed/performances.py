"""Corpora of rated performances: made by rule, or in a folder of the user."""

import csv
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
from symusic.core import ScoreSecond

from examples.score_informed.alignment import Floats, pieces
from musicssl.data.corpus import Corpus, InMemory
from musicssl.errors import InputError

RATINGS = ("musicality", "note_accuracy", "rhythm")
FRAME = 256 / 44_100  # s, of a pitch contour
_SCALE = (0, 2, 4, 5, 7, 9, 11)


class Performance(NamedTuple):
    """A performance.

    Attributes:
        name: Unique.
        split: "train", "val" or "test".
        contour: MIDI pitch of each frame, 0 where there is none, (N,).
        score: The same of the score, in its own time, (M,).
        ratings: In the order of `RATINGS`, from 0 to 1.
    """

    name: str
    split: str
    contour: Floats
    score: Floats
    ratings: tuple[float, ...]


@dataclass(frozen=True)
class Rated(InMemory, ABC):
    """Pieces of performances, with one of three ratings as the target.

    Attributes:
        rating: "musicality", "note_accuracy" or "rhythm"; there is one network for each.
        frames: Frames of a piece, T.
    """

    name: ClassVar[str]

    rating: str
    frames: int

    @abstractmethod
    def performances(self) -> Iterator[Performance]:
        """Make or read the performances one by one."""

    def load(self) -> Corpus:
        """Align all performances with their scores."""
        if self.rating not in RATINGS:
            raise InputError(f"dataset.rating must be one of {', '.join(RATINGS)}.")
        x, y, names = [], [], []
        for one in self.performances():
            found = pieces(one.contour, one.score, self.frames)
            x.append(found)
            y += [one.ratings[RATINGS.index(self.rating)]] * len(found)
            names += [(f"{one.name}-{k:02d}", one.split, one.name) for k in range(len(found))]
        if not names:
            raise InputError(f"no performance lasts {self.frames} frames; lower dataset.frames.")
        clips, split, groups = np.array(names).T
        targets = np.array(y, np.float32)[:, None]
        return Corpus(
            name=self.name,
            classes=(self.rating,),
            x=np.concatenate(x),
            y=targets,
            mask=np.ones_like(targets, dtype=bool),
            split=split,
            clip_ids=clips,
            groups=groups,
            instance_seconds=FRAME,
            task="regression",
        )


@dataclass(frozen=True)
class Performances(Rated):
    """Melodies in random keys, played with mistakes of a known severity.

    Each of three severities is drawn uniformly from [0, 1]; a rating is 1 less the severity, plus
    noise. Of note accuracy 1 - s: a note is wrong by up to four semitones with probability s / 2,
    and out of tune by 30 s cents. Of rhythm: durations are changed by a factor, of whose logarithm
    the standard deviation is 0.4 s. Of musicality: pitch trembles by 60 s cents, and glides by 2 s
    semitones in each note. The tempo is free: up to 15 % slower or faster than the score.

    Attributes:
        num_clips: Of ten, seven are for training, one for validation and two for testing.
        seed: Of the performances.
        noise: Standard deviation of the ratings around the truth.
    """

    name: ClassVar[str] = "performances"

    num_clips: int
    seed: int
    noise: float

    def performances(self) -> Iterator[Performance]:
        """Draw the performances."""
        for number in range(self.num_clips):
            rng = np.random.default_rng([self.seed, number])
            severity = rng.random(3)
            split = "train" if number % 10 < 7 else "val" if number % 10 == 7 else "test"
            ratings = np.clip(1 - severity + self.noise * rng.standard_normal(3), 0, 1)
            musicality, accuracy, rhythm = severity.tolist()
            contour, score = played(rng, musicality, accuracy, rhythm, self.frames)
            yield Performance(f"performance-{number:05d}", split, contour, score, tuple(ratings))


def played(
    rng: np.random.Generator, musicality: float, accuracy: float, rhythm: float, frames: int
) -> tuple[Floats, Floats]:
    """Draw a melody, and play it with mistakes of three severities; contour, (N,), score, (M,)."""
    beat = 60 / rng.uniform(80, 140) / FRAME  # frames
    tempo, tonic = rng.uniform(0.85, 1.15), int(rng.integers(55, 67))
    degree = int(rng.integers(7))
    contour: list[Floats] = []
    score: list[Floats] = []
    left = frames
    while left > 0:
        degree = int(np.clip(degree + rng.integers(-3, 4), 0, 13))
        pitch = tonic + 12 * (degree // 7) + _SCALE[degree % 7]
        nominal = beat * rng.choice([0.5, 1.0, 1.0, 2.0])
        length = max(4, round(nominal * tempo * np.exp(0.4 * rhythm * rng.standard_normal())))
        wrong = rng.choice([-4, -2, -1, 1, 2, 4]) * (rng.random() < accuracy / 2)
        note = np.full(length, pitch + wrong + 0.3 * accuracy * rng.standard_normal())
        note += 0.6 * musicality * rng.standard_normal(length)
        note += 2.0 * musicality * np.linspace(0, rng.choice([-1, 1]), length)
        kept = min(length, left)
        contour.append(note[:kept])
        score.append(np.full(max(1, round(nominal * kept / length)), float(pitch)))
        left -= kept
    return np.concatenate(contour), np.concatenate(score)


@dataclass(frozen=True)
class Folder(Rated):
    """Performances of the user, such as those of the Florida Bandmasters Association (FBA).

    FBA's recordings are private, so the layout is ours. `ratings.csv` has the columns performance,
    split (train, val or test) and the three ratings from 0 to 1; `contours/NAME.csv` has time in s
    and frequency in Hz (0 or less: unvoiced) in each row, as the pYIN plugin writes them;
    `scores/NAME.mid` is the melody as MIDI.

    Attributes:
        root: The folder.
    """

    name: ClassVar[str] = "fba"

    root: str

    def performances(self) -> Iterator[Performance]:
        """Read the performances."""
        folder = Path(self.root or ".").expanduser()
        if not (folder / "ratings.csv").is_file():
            raise InputError(f"there is no {folder / 'ratings.csv'}; data.root=FOLDER names it.")
        with (folder / "ratings.csv").open(newline="") as file:
            for row in csv.DictReader(file):
                name = row["performance"]
                contour = read_contour(folder / "contours" / f"{name}.csv")
                score = read_score(folder / "scores" / f"{name}.mid")
                ratings = tuple(float(row[rating]) for rating in RATINGS)
                yield Performance(name, row["split"], contour, score, ratings)


def read_contour(path: Path) -> Floats:
    """Read times and frequencies, and return the MIDI pitch of each frame, 0 where unvoiced."""
    times, frequencies = np.loadtxt(path, delimiter=",", ndmin=2)[:, :2].T
    frames = np.arange(0, times[-1] + FRAME / 2, FRAME)
    nearest = np.clip(np.searchsorted(times, frames - FRAME / 2), 0, len(times) - 1)
    hertz = frequencies[nearest]
    voiced = hertz > 0
    return np.where(voiced, 69 + 12 * np.log2(np.where(voiced, hertz, 440) / 440), 0)


def read_score(path: Path) -> Floats:
    """Read the melody of a MIDI file: the MIDI pitch of each frame, 0 in rests."""
    notes = [note for track in ScoreSecond(path).tracks for note in track.notes]
    if not notes:
        raise InputError(f"{path} has no note; write the melody into it.")
    score = np.zeros(round(max(note.end for note in notes) / FRAME))
    for note in sorted(notes, key=lambda note: note.start):
        score[round(note.start / FRAME) : round(note.end / FRAME)] = note.pitch
    return score
