"""Mixtures with one of their sources: composed bands, and MUSDB18-HQ in the user's folder.

An instance is a hop of sound: samples of the mixture, then as many of the source.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray
from scipy.ndimage import binary_closing

from musicssl.cache import build_checked, fingerprint
from musicssl.data.corpus import Corpus
from musicssl.datasets.synthesis.compose import Part, compose
from musicssl.datasets.synthesis.instruments import CLASSES
from musicssl.datasets.synthesis.mix import level_while_playing
from musicssl.datasets.synthesis.render import render
from musicssl.errors import InputError

Sound = NDArray[np.float32]
_SPLIT_OF_TEN = ["train"] * 7 + ["val"] + ["test"] * 2


class Pair(NamedTuple):
    """A clip: its name, split and song, and the sounds, (S,)."""

    name: str
    split: str
    song: str
    mixture: Sound
    source: Sound


@dataclass(frozen=True)
class Pairs(ABC):
    """Clips of mixtures with the source to separate.

    The source is active in a hop where its level is above `floor_db`, and in shorter gaps than
    `gap_seconds` between such hops, as between strokes of drums. The paper has annotations instead.

    Attributes:
        source: Name of the source.
        cache: Folder of the clips as arrays.
        sample_rate: In Hz.
        hop: Samples of an instance.
        clip_hops: Instances of a clip, T.
        floor_db: In dB relative to full scale.
        gap_seconds: In seconds.
    """

    name: ClassVar[str]

    source: str
    cache: str
    sample_rate: int
    hop: int
    clip_hops: int
    floor_db: float
    gap_seconds: float

    @abstractmethod
    def pairs(self) -> Iterator[Pair]:
        """Make the clips one by one."""

    @property
    def clip_samples(self) -> int:
        """Samples of a clip, S."""
        return self.hop * self.clip_hops

    def prepare(self) -> None:
        """Write the clips into the cache, unless they are there."""
        settings = {**asdict(self), "cache": None, "version": 3}
        folder = Path(self.cache).expanduser() / f"{self.name}-{fingerprint(settings)}"
        object.__setattr__(self, "_folder", build_checked(folder, self._build))

    def load(self) -> Corpus:
        """Open the cache; `x` is a memory map."""
        self.prepare()
        folder: Path = self._folder  # type: ignore[attr-defined]
        active = np.load(folder / "activity.npy")
        names, split, songs = np.load(folder / "names.npy")
        y = active.any(axis=1)
        return Corpus(
            name=self.name,
            classes=(self.source,),
            x=np.load(folder / "x.npy", mmap_mode="r"),
            y=y.astype(np.float32),
            mask=np.ones_like(y),
            split=split,
            clip_ids=names,
            groups=songs,
            activity=active,
            instance_seconds=self.hop / self.sample_rate,
        )

    def audio(self, clip_id: str) -> tuple[Sound, int]:
        """Return the mixture of one clip."""
        corpus = self.load()
        row = int(np.flatnonzero(corpus.clip_ids == clip_id)[0])
        return corpus.instances[row, :, : self.hop].flatten(), self.sample_rate

    def _build(self, folder: Path) -> None:
        pairs = [(p[:3], np.stack([p.mixture, p.source]).astype(np.float32)) for p in self.pairs()]
        shape = (len(pairs), 2, self.clip_hops, self.hop)
        sounds = np.stack([sounds for _, sounds in pairs]).reshape(shape)
        loud = np.square(sounds[:, 1]).mean(axis=2) > 10 ** (self.floor_db / 10)  # (N, T)
        gap = round(self.gap_seconds * self.sample_rate / self.hop)
        np.save(folder / "x.npy", sounds.transpose(0, 2, 1, 3).reshape(*shape[:1], shape[2], -1))
        np.save(folder / "activity.npy", without_gaps(loud, gap)[..., None])
        np.save(folder / "names.npy", np.array([names for names, _ in pairs]).T)


def without_gaps(active: NDArray[np.bool_], gap: int) -> NDArray[np.bool_]:
    """Fill gaps of at most so many hops between active ones, (N, T).

    >>> without_gaps(np.array([[0, 1, 0, 0, 1, 0, 0, 0, 1]], bool), 2).astype(int).tolist()
    [[0, 1, 1, 1, 1, 0, 0, 0, 1]]
    """
    padded = np.pad(active, ((0, 0), (gap, gap)))
    closed: NDArray[np.bool_] = binary_closing(padded, np.ones((1, gap + 1), bool))
    return closed[:, gap : gap + active.shape[1]]


@dataclass(frozen=True)
class Bands(Pairs):
    """Bands that synthband's composer writes and a SoundFont plays, with their stems.

    Attributes:
        num_clips: Of ten clips, seven are for training, one for validation, two for testing.
        seed: Of the clips.
        max_parts: Most instruments in a clip; there are two at least.
        present: Share of the clips that have the source.
        level_range_db: Parts play up to so much softer than the loudest possible.
    """

    name: ClassVar[str] = "bands"

    num_clips: int
    seed: int
    max_parts: int
    present: float
    level_range_db: float

    def __post_init__(self) -> None:
        if self.source not in CLASSES:
            raise InputError(f"dataset.source must be one of {', '.join(CLASSES)}.")

    def pairs(self) -> Iterator[Pair]:
        """Compose and render the clips."""
        column, seconds = CLASSES.index(self.source), self.clip_samples / self.sample_rate
        for number in range(self.num_clips):
            rng = np.random.default_rng([self.seed, number])
            parts = self._composed(rng, seconds, column)
            stems = [self._stem(rng, part, seconds) for part in parts]
            mixture = np.sum(stems, axis=0)
            zeros = np.zeros_like(mixture)
            source = sum(
                (s for s, p in zip(stems, parts, strict=True) if p.column == column), zeros
            )
            gain = 0.5 / np.abs(mixture).max()
            name = f"band-{number:05d}"
            split = _SPLIT_OF_TEN[number % 10]
            yield Pair(name, split, name, gain * mixture, gain * source)

    def _composed(self, rng: np.random.Generator, seconds: float, column: int) -> list[Part]:
        """Draw bands until one has the source, or has not, as wanted."""
        wanted = rng.random() < self.present
        while True:
            parts = compose(rng, seconds, 2, self.max_parts)
            if any(part.column == column for part in parts) == wanted:
                return parts

    def _stem(self, rng: np.random.Generator, part: Part, seconds: float) -> Sound:
        sound = render(part, seconds, self.sample_rate)
        decibels = rng.uniform(-self.level_range_db, 0)
        level: float = 10 ** (decibels / 20) / level_while_playing(part, sound, self.sample_rate)
        return np.float32(level) * sound


@dataclass(frozen=True)
class Musdb(Pairs):
    """MUSDB18-HQ as it is unpacked: train/ and test/, in them a folder for each song.

    A song has mixture.wav, vocals.wav, drums.wav, bass.wav and other.wav. Channels are
    averaged.

    Attributes:
        root: Folder with train/ and test/.
        max_songs: Most songs of each of the two; null: all.
    """

    name: ClassVar[str] = "musdb"

    root: str
    max_songs: int | None

    def pairs(self) -> Iterator[Pair]:
        """Read the songs and cut them into clips."""
        for split in ("train", "test"):
            folder = Path(self.root or ".").expanduser() / split
            songs = sorted(path.parent for path in folder.glob("*/mixture.wav"))
            if not songs:
                raise InputError(
                    f"{folder} has no folder with a mixture.wav; data.root=FOLDER is that of "
                    "MUSDB18-HQ, with train/ and test/ in it."
                )
            for song in songs[: self.max_songs]:
                yield from self._clips(song, split)

    def _clips(self, song: Path, split: str) -> Iterator[Pair]:
        mixture, source = self._read(song / "mixture.wav"), self._read(song / f"{self.source}.wav")
        for start in range(0, len(mixture) - self.clip_samples + 1, self.clip_samples):
            part = slice(start, start + self.clip_samples)
            name = f"{song.name}-{start // self.clip_samples:03d}"
            yield Pair(name, split, song.name, mixture[part], source[part])

    def _read(self, path: Path) -> Sound:
        if not path.is_file():
            raise InputError(f"there is no {path}; dataset.source is vocals, drums, bass or other.")
        sound, rate = soundfile.read(path, dtype="float32", always_2d=True)
        resampled: Sound = soxr.resample(sound.mean(axis=1), rate, self.sample_rate)
        return resampled
