"""Piano music as sound and as notes: pieces made by rule, and MAESTRO in the user's folder.

An instance is a frame of 50 ms: 88 keys, 1 where one sounds, then log-mel bands.
"""

import csv
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray
from symusic.core import ScoreSecond

from examples.siamese.network import LOWEST_KEY, NUM_KEYS
from musicssl.audio.log_mel import LogMel
from musicssl.data.corpus import Corpus, InMemory
from musicssl.datasets.synthesis.compose import Part
from musicssl.datasets.synthesis.harmony import Harmony, draw_harmony
from musicssl.datasets.synthesis.instruments import CLASSES, INSTRUMENTS, Role
from musicssl.datasets.synthesis.patterns import play
from musicssl.datasets.synthesis.render import render
from musicssl.errors import InputError

FRAME = 0.05  # s
RATE = 16_000  # Hz
NUM_MELS = 64
_PIANO = CLASSES.index("piano")
_MAJOR = (0, 2, 4, 5, 7, 9, 11)
SIGNATURES = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")  # major keys
Notes = NDArray[np.float64]  # (K, 3): start in s, end in s, MIDI key


class Clip(NamedTuple):
    """A clip: its names, split, notes, sound, (S,), and labels by name."""

    name: str
    song: str
    split: str
    notes: Notes
    sound: NDArray[np.float32]
    labels: dict[str, float | str]


@dataclass(frozen=True)
class Piano(InMemory, ABC):
    """Clips of piano music as notes and as sound, with one kind of label.

    Attributes:
        label: What the labels are: a name of `Clip.labels`.
        shown: "both", "sound" or "notes"; the other one is 0.
        clip_seconds: Duration of a clip.
    """

    name: ClassVar[str]
    labels: ClassVar[tuple[str, ...]]

    label: str
    shown: str
    clip_seconds: float

    @abstractmethod
    def clips(self) -> Iterator[Clip]:
        """Make or read the clips one by one."""

    def load(self) -> Corpus:
        """Compute the frames of all clips."""
        if self.label not in self.labels or self.shown not in ("both", "sound", "notes"):
            raise InputError(
                f"{self.name}: dataset.label must be one of {', '.join(self.labels)}, and "
                "dataset.shown both, sound or notes."
            )
        features, x, clips = LogMel(RATE, num_mels=NUM_MELS, n_fft=1024), [], []
        for clip in self.clips():
            x.append(self._frames(clip, features))
            clips.append(clip._replace(sound=clip.sound[:0]))
        if not clips:
            raise InputError(f"{self.name}: no piece lasts {self.clip_seconds} s.")
        values = [clip.labels[self.label] for clip in clips]
        classes: tuple[str, ...] = (self.label,)
        task = "regression"
        y = np.array(values)[:, None]
        if isinstance(values[0], str):
            classes, task = tuple(sorted({str(v) for v in values})), "multi_class"
            y = y == np.array(classes)
        return Corpus(
            name=self.name,
            classes=classes,
            x=np.stack(x),
            y=y.astype(np.float32),
            mask=np.ones(y.shape, dtype=bool),
            split=np.array([clip.split for clip in clips]),
            clip_ids=np.array([clip.name for clip in clips]),
            groups=np.array([clip.song for clip in clips]),
            instance_seconds=FRAME,
            task=task,
        )

    def audio(self, clip_id: str) -> tuple[NDArray[np.float32], int]:
        """Return the sound of one clip."""
        return next(clip.sound for clip in self.clips() if clip.name == clip_id), RATE

    def _frames(self, clip: Clip, features: LogMel) -> NDArray[np.float32]:
        count = round(self.clip_seconds / FRAME)
        roll = piano_roll(clip.notes, count)
        mel = log_mel(clip.sound, count, features)
        return np.concatenate(
            [roll * (self.shown != "sound"), mel * (self.shown != "notes")], axis=1
        )


def piano_roll(notes: Notes, frames: int) -> NDArray[np.float32]:
    """Return which keys sound in which frames, (T, 88)."""
    roll = np.zeros((frames, NUM_KEYS), np.float32)
    for start, end, key in notes:
        first = int(start / FRAME)
        roll[first : max(first + 1, round(end / FRAME)), int(key) - LOWEST_KEY] = 1
    return roll


def log_mel(sound: NDArray[np.float32], frames: int, features: LogMel) -> NDArray[np.float32]:
    """Return log-mel frames in [0, 1], (T, M): those of `LogMel` that are nearest in time."""
    found = features.frames(sound)
    nearest = np.linspace(0, len(found) - 1, frames).round().astype(int)
    chosen: NDArray[np.float32] = found[nearest]
    return chosen


@dataclass(frozen=True)
class Pieces(Piano):
    """Pieces for piano, of chords and a melody, made by the rules of synthband.

    Labels: "key", the major key with the same notes; "tempo" in beats per second; "density" in
    notes per second.

    Attributes:
        num_clips: Of ten, seven are for training, one for validation and two for testing.
        seed: Of the pieces.
    """

    name: ClassVar[str] = "pieces"
    labels: ClassVar[tuple[str, ...]] = ("key", "tempo", "density")

    num_clips: int
    seed: int

    def clips(self) -> Iterator[Clip]:
        """Compose and render the pieces."""
        for number in range(self.num_clips):
            rng = np.random.default_rng([self.seed, number])
            harmony, tempo = draw_harmony(rng), rng.uniform(1.0, 3.0)
            notes = self._notes(rng, harmony, tempo)
            starts, ends, keys = notes.T
            part = Part(_PIANO, 0, starts, ends - starts, keys.astype(np.int64))
            sound = render(part, self.clip_seconds, RATE)
            labels: dict[str, float | str] = {
                "key": signature(harmony),
                "tempo": tempo,
                "density": len(notes) / self.clip_seconds,
            }
            split = "train" if number % 10 < 7 else "val" if number % 10 == 7 else "test"
            name = f"piece-{number:05d}"
            loudest = np.abs(sound).max()
            yield Clip(name, name, split, notes, sound / np.float32(2 * loudest), labels)

    def _notes(self, rng: np.random.Generator, harmony: Harmony, tempo: float) -> Notes:
        beats = range(int(np.ceil(self.clip_seconds * tempo)))
        drawn = [
            note
            for role in (Role.CHORDS, Role.MELODY)
            for note in play(rng, role, INSTRUMENTS[_PIANO], harmony, beats)
        ]
        start, length, key = np.array(drawn).T
        notes = np.stack([start / tempo, (start + length) / tempo, key], axis=1)
        notes = notes[notes[:, 0] < self.clip_seconds - 0.2]
        notes[:, 1] = np.clip(notes[:, 1], notes[:, 0] + 0.1, self.clip_seconds)
        return notes


def signature(harmony: Harmony) -> str:
    """Name the major key with the notes of a scale.

    >>> signature(Harmony((9, 11, 0, 2, 4, 5, 7), (0,)))
    'C'
    """
    scale = set(harmony.scale)
    return next(
        name for t, name in enumerate(SIGNATURES) if {(t + step) % 12 for step in _MAJOR} == scale
    )


@dataclass(frozen=True)
class Maestro(Piano):
    """MAESTRO 3 as it is unpacked: maestro-v3.0.0.csv, with audio and MIDI beside it.

    Labels: "composer", of the composers with the most performances; "density" in notes per second.

    Attributes:
        root: The folder.
        num_composers: Number of composers that are used.
        max_clips: Most clips of each performance; None for all.
    """

    name: ClassVar[str] = "maestro"
    labels: ClassVar[tuple[str, ...]] = ("composer", "density")

    root: str
    num_composers: int
    max_clips: int | None

    def clips(self) -> Iterator[Clip]:
        """Read the performances and cut them into clips."""
        folder = Path(self.root or ".").expanduser()
        table = folder / "maestro-v3.0.0.csv"
        if not table.is_file():
            raise InputError(f"there is no {table}; data.root=FOLDER is that of MAESTRO 3.")
        with table.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        counted = Counter(row["canonical_composer"] for row in rows)
        kept = {name for name, _ in counted.most_common(self.num_composers)}
        for row in rows:
            if row["canonical_composer"] in kept:
                yield from self._cut(folder, row)

    def _cut(self, folder: Path, row: dict[str, str]) -> Iterator[Clip]:
        sound, rate = soundfile.read(
            folder / row["audio_filename"], dtype="float32", always_2d=True
        )
        sound = soxr.resample(sound.mean(axis=1), rate, RATE)
        score = ScoreSecond(folder / row["midi_filename"])
        notes = np.array([(n.start, n.end, n.pitch) for t in score.tracks for n in t.notes])
        seconds, split = self.clip_seconds, row["split"].replace("validation", "val")
        count = min(int(len(sound) / RATE / seconds), self.max_clips or len(sound))
        for k in range(count):
            of_clip = notes[(notes[:, 0] >= k * seconds) & (notes[:, 0] < (k + 1) * seconds)]
            of_clip = of_clip - [k * seconds, k * seconds, 0]
            piece = sound[round(k * seconds * RATE) : round((k + 1) * seconds * RATE)]
            labels: dict[str, float | str] = {"composer": row["canonical_composer"]}
            labels["density"] = len(of_clip) / seconds
            song = row["midi_filename"]
            yield Clip(f"{song}-{k:03d}", song, split, of_clip, piece, labels)
