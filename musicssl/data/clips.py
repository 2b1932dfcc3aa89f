"""Where the input of a corpus's clips comes from: read by row, a batch at a time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from musicssl.audio.sound import Sound
from musicssl.data.corpus import Corpus
from musicssl.data.label_grid import samples_per_place
from musicssl.errors import InputError

Rows = NDArray[np.int64]

_MOST_SAMPLES = 1 << 25  # in a batch of whole recordings: 128 MiB as float32


class Piece(NamedTuple):
    """The input of some clips, or of a part of each.

    Attributes:
        x: Instances, (B, T, F), or samples, (B, S); float32.
        lengths: How many of the T or S are valid in each clip, (B,) int64; None if all are.
        starts: The first instance or sample of each, (B,) int64.
    """

    x: Tensor
    lengths: Tensor | None
    starts: Rows


class Clips(Protocol):
    """The input of N clips: T instances of F features each, or crops of S samples, where F is 1."""

    @property
    def num_features(self) -> int:
        """F."""

    @property
    def num_instances(self) -> int:
        """T, or S."""

    @property
    def reads_files(self) -> bool:
        """Whether reading takes so long that a thread should read the next batch ahead."""

    def crop(self, rows: Rows, places: NDArray[np.float64]) -> Piece:
        """Read what training sees of some clips, (B,): one crop at each of their places, (B, V).

        A place is a number from 0 to 1 of the range of starts. The V crops of a clip follow each
        other in the piece.
        """

    def whole(self, rows: Rows) -> Piece:
        """Read all of some clips, (B,)."""

    def batches(self, rows: Rows, batch_size: int) -> Iterator[Rows]:
        """Divide clips, in order, into batches that `whole` can read into memory."""


@dataclass(frozen=True, eq=False)
class InstanceClips:
    """Clips whose instances lie in one array; training sees all of each.

    Attributes:
        x: Instances, (N, T, F) float32.
        lengths: Valid instances of each clip, (N,) int64, or None if all T are.
    """

    x: NDArray[np.float32]
    lengths: NDArray[np.int64] | None

    @property
    def num_features(self) -> int:
        """F."""
        return int(self.x.shape[2])

    @property
    def num_instances(self) -> int:
        """T."""
        return int(self.x.shape[1])

    @property
    def reads_files(self) -> bool:
        """Never: an indexed read of an array is quick."""
        return False

    def crop(self, rows: Rows, places: NDArray[np.float64]) -> Piece:
        """Read all of some clips, once for each place."""
        return self.whole(np.repeat(rows, places.shape[1]))

    def whole(self, rows: Rows) -> Piece:
        """Read all of some clips: one indexed read."""
        x = torch.from_numpy(np.take(self.x, rows, axis=0))
        lengths = None if self.lengths is None else torch.from_numpy(self.lengths[rows])
        return Piece(x, lengths, np.zeros(len(rows), np.int64))

    def batches(self, rows: Rows, batch_size: int) -> Iterator[Rows]:
        """Divide clips into batches of `batch_size`."""
        for start in range(0, len(rows), batch_size):
            yield rows[start : start + batch_size]


@dataclass(frozen=True, eq=False)
class SoundClips:
    """Clips of sound; training sees a crop of each, at a random place.

    Attributes:
        sound: The recordings.
        crop_samples: Length of a crop, S.
        grid: Crops start at multiples of so many samples.
        adjacent: Whether the crops of a clip follow each other without a gap, at the first of its
            places; otherwise each starts at a place of its own.
    """

    sound: Sound
    crop_samples: int
    grid: int = 1
    adjacent: bool = False

    @property
    def num_features(self) -> int:
        """One number a sample."""
        return 1

    @property
    def num_instances(self) -> int:
        """Samples of a crop, S."""
        return self.crop_samples

    @property
    def reads_files(self) -> bool:
        """Always: recordings are read from a clip store, or decoded."""
        return True

    def crop(self, rows: Rows, places: NDArray[np.float64]) -> Piece:
        """Read crops of some clips; of one that is shorter all is read, zeros follow.

        Adjacent crops of a clip that cannot hold them all overlap as little as they can.
        """
        lengths = self.sound.lengths[rows][:, None]  # (B, 1)
        num_crops = places.shape[1]
        room, step = np.maximum(lengths - self.crop_samples, 0), np.zeros_like(lengths)
        if self.adjacent and num_crops > 1:
            places = places[:, :1]
            step = np.minimum(room // (num_crops - 1), self.crop_samples) // self.grid * self.grid
        last = (room - step * (num_crops - 1)) // self.grid
        first = np.floor(places * (last + 1)).astype(np.int64) * self.grid
        starts: Rows = (first + step * np.arange(num_crops)).ravel()  # (B V,)
        valid = np.minimum(np.repeat(lengths, num_crops) - starts, self.crop_samples)
        return self._piece(np.repeat(rows, num_crops), starts, valid)

    def whole(self, rows: Rows) -> Piece:
        """Read all of some clips, zeros after the end of each."""
        lengths = self.sound.lengths[rows]
        return self._piece(rows, np.zeros(len(rows), np.int64), lengths, int(lengths.max()))

    def batches(self, rows: Rows, batch_size: int) -> Iterator[Rows]:
        """Divide clips so that no batch is larger than `batch_size` or than memory should hold."""
        lengths = self.sound.lengths
        batch: list[int] = []
        longest = 0
        for row in rows.tolist():
            longest = max(longest, int(lengths[row]))
            if batch and (len(batch) == batch_size or (len(batch) + 1) * longest > _MOST_SAMPLES):
                yield np.array(batch, np.int64)
                batch, longest = [], int(lengths[row])
            batch.append(row)
        if batch:
            yield np.array(batch, np.int64)

    def _piece(
        self, rows: Rows, starts: Rows, valid: Rows, num_samples: int | None = None
    ) -> Piece:
        num_samples = num_samples or self.crop_samples
        x = torch.from_numpy(self.sound.read(rows, starts, num_samples))
        full = (valid == num_samples).all()
        return Piece(x, None if full else torch.from_numpy(valid), starts)


@dataclass(frozen=True, eq=False)
class JoinedClips:
    """The clips of two corpora, those of the second numbered after the first's.

    Attributes:
        first: Clips 0 to `count` - 1.
        second: The clips from there on.
        count: Clips of the first.
    """

    first: Clips
    second: Clips
    count: int

    @property
    def num_features(self) -> int:
        """F of both."""
        return self.first.num_features

    @property
    def num_instances(self) -> int:
        """The larger T or S."""
        return max(self.first.num_instances, self.second.num_instances)

    @property
    def reads_files(self) -> bool:
        """Whether either corpus does."""
        return self.first.reads_files or self.second.reads_files

    def crop(self, rows: Rows, places: NDArray[np.float64]) -> Piece:
        """Read what training sees of some clips of either corpus."""
        return self._read(
            rows,
            lambda mine: self.first.crop(rows[mine], places[mine]),
            lambda theirs: self.second.crop(rows[theirs] - self.count, places[theirs]),
            num_crops=places.shape[1],
        )

    def whole(self, rows: Rows) -> Piece:
        """Read all of some clips of either corpus."""
        return self._read(
            rows,
            lambda mine: self.first.whole(rows[mine]),
            lambda theirs: self.second.whole(rows[theirs] - self.count),
        )

    def batches(self, rows: Rows, batch_size: int) -> Iterator[Rows]:
        """Divide clips, those of the first corpus before those of the second, never mixed."""
        mine = rows < self.count
        yield from self.first.batches(rows[mine], batch_size)
        for batch in self.second.batches(rows[~mine] - self.count, batch_size):
            yield batch + self.count

    def _read(
        self,
        rows: Rows,
        first: Callable[[NDArray[np.bool_]], Piece],
        second: Callable[[NDArray[np.bool_]], Piece],
        num_crops: int = 1,
    ) -> Piece:
        """Read clips of either corpus, (B,), from where theirs are, which is True of each, (B,)."""
        mine = rows < self.count
        if mine.all():
            return first(mine)
        if not mine.any():
            return second(~mine)
        each = np.repeat(mine, num_crops)  # (B V,)
        order = np.argsort(np.concatenate([np.flatnonzero(each), np.flatnonzero(~each)]))
        return _merged((first(mine), second(~mine)), order)


def clips_of(
    corpus: Corpus, crop_seconds: float | None, adjacent: bool = False, on_grid: bool = False
) -> Clips:
    """Return the input of a corpus's clips.

    Args:
        corpus: Of instances or of sound.
        crop_seconds: What training sees of a recording; None, or more than the longest lasts, for
            all of it. Instances are few, so that training always sees all of a clip's.
        adjacent: Whether crops of the same recording follow each other; see `SoundClips`.
        on_grid: Whether crops begin where a place of the known activity does, for labels in time.

    Raises:
        InputError: If a crop would be empty.
    """
    if not corpus.is_sound:
        return InstanceClips(corpus.instances, corpus.lengths)
    sound = corpus.sound
    rate = sound.sample_rate
    grid = samples_per_place(corpus) if on_grid else 1
    samples = longest = int(sound.lengths.max())
    if crop_seconds is not None:
        if round(min(crop_seconds, 1e6) * rate) < 1:
            raise InputError(f"data.crop_seconds must be positive, got {crop_seconds:g}.")
        samples = min(longest, round(min(crop_seconds, 1e6) * rate))  # the rest would be silence
    return SoundClips(sound, samples, grid, adjacent)


def _merged(pieces: tuple[Piece, Piece], order: Rows) -> Piece:
    """Put the clips of two pieces into one, padded to the longer, in another order."""
    longest = max(piece.x.shape[1] for piece in pieces)
    x = torch.cat([_padded(piece.x, longest) for piece in pieces])[order]
    lengths = torch.cat([_lengths(piece) for piece in pieces])[order]
    starts = np.concatenate([piece.starts for piece in pieces])[order]
    return Piece(x, None if bool((lengths == longest).all()) else lengths, starts)


def _padded(x: Tensor, longest: int) -> Tensor:
    padded = x.new_zeros((x.shape[0], longest, *x.shape[2:]))
    padded[:, : x.shape[1]] = x
    return padded


def _lengths(piece: Piece) -> Tensor:
    return torch.full((len(piece.x),), piece.x.shape[1]) if piece.lengths is None else piece.lengths
