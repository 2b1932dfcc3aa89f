"""Reading the input of a corpus's clips by row, one batch at a time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from musicssl.audio.sound import Sound
from musicssl.audio.store import ClipStore
from musicssl.batch import valid_instances
from musicssl.data.corpus import Corpus
from musicssl.data.label_grid import samples_per_label_frame
from musicssl.errors import InputError

Rows = NDArray[np.int64]

_STATISTICS_CHUNK = 512  # clips at a time
_MAX_SAMPLES = 1 << 25  # of a batch of whole recordings: 128 MiB as float32


class Piece(NamedTuple):
    """The input of some clips, or of a part of each.

    Attributes:
        x: Instances, (B, T, F), or samples, (B, S); float32. Or tokens, (B, T) int64. Or stored
            samples, (B, S) int16, see `as_stored`.
        lengths: Valid instances or samples of each clip, (B,) int64; None if all are valid.
        starts: First instance or sample of each clip, (B,) int64.
    """

    x: Tensor
    lengths: Tensor | None
    starts: Rows


class Clips(Protocol):
    """The input of N clips: T instances of F features; or, with F = 1, S samples or T tokens."""

    @property
    def num_features(self) -> int:
        """F."""

    @property
    def num_instances(self) -> int:
        """T, or S."""

    @property
    def reads_files(self) -> bool:
        """Whether reading is slow, so that the next batch should be read ahead in a thread."""

    def num_crops(self, rows: Rows) -> Rows:
        """Return how many whole crops each clip has without overlap, at least 1, (B,)."""

    def crop(self, rows: Rows, positions: NDArray[np.float64]) -> Piece:
        """Read the training input of some clips.

        Args:
            rows: The clips, (B,).
            positions: V crop positions of each clip, (B, V), as fractions in [0, 1) of the range
                of possible starts.

        Returns:
            B V crops; the V crops of a clip are consecutive.
        """

    def whole(self, rows: Rows) -> Piece:
        """Read all of some clips, (B,)."""

    def batches(self, rows: Rows, batch_size: int) -> Iterator[Rows]:
        """Divide clips, in order, into batches that fit into memory when `whole` reads them."""


@dataclass(frozen=True, eq=False)
class InstanceClips:
    """Clips whose instances are stored in one array; training uses each clip as a whole.

    Attributes:
        x: Instances, (N, T, F) float32.
        lengths: Valid instances of each clip, (N,) int64, or None if all T are valid.
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
        """False: an indexed read of an array is fast."""
        return False

    def num_crops(self, rows: Rows) -> Rows:
        """Return 1 for each clip: clips of instances are not cropped."""
        return np.ones(len(rows), np.int64)

    def crop(self, rows: Rows, positions: NDArray[np.float64]) -> Piece:
        """Read all of some clips, once for each position."""
        return self.whole(np.repeat(rows, positions.shape[1]))

    def whole(self, rows: Rows) -> Piece:
        """Read all of some clips, in one indexed read."""
        # Of an array with gaps, such as one layer of a memory map, np.take would copy all first.
        is_compact = self.x.flags.c_contiguous and self.x.flags.aligned
        found = np.take(self.x, rows, axis=0) if is_compact else self.x[rows]
        x = torch.from_numpy(np.ascontiguousarray(found))
        lengths = None if self.lengths is None else torch.from_numpy(self.lengths[rows])
        return Piece(x, lengths, np.zeros(len(rows), np.int64))

    def batches(self, rows: Rows, batch_size: int) -> Iterator[Rows]:
        """Divide clips into batches of `batch_size`."""
        for start in range(0, len(rows), batch_size):
            yield rows[start : start + batch_size]


@dataclass(frozen=True, eq=False)
class TokenClips(InstanceClips):
    """Clips that are rows of tokens; training uses each clip as a whole.

    Attributes:
        x: Tokens, (N, T) of any integers; batches have them as int64.
        lengths: Valid tokens of each clip, (N,) int64, or None if all T are valid.
    """

    x: NDArray[Any]

    @property
    def num_features(self) -> int:
        """1: a token is one number."""
        return 1

    def whole(self, rows: Rows) -> Piece:
        """Read all of some clips, in one indexed read."""
        piece = super().whole(rows)
        return piece._replace(x=piece.x.long())


@dataclass(frozen=True, eq=False)
class SoundClips:
    """Clips of sound; training uses crops of each clip at random positions.

    Attributes:
        sound: The recordings.
        crop_samples: Length of a crop, S.
        grid: Crops start at multiples of this number of samples.
        adjacent: Whether the crops of a clip follow each other without a gap, starting at its first
            crop position; otherwise each crop has its own position.
        stored: Whether crops are samples as a clip store has them, int16; see `as_stored`.
    """

    sound: Sound
    crop_samples: int
    grid: int = 1
    adjacent: bool = False
    stored: bool = False

    @property
    def num_features(self) -> int:
        """1: a sample is one number."""
        return 1

    @property
    def num_instances(self) -> int:
        """Samples of a crop, S."""
        return self.crop_samples

    @property
    def reads_files(self) -> bool:
        """True: recordings are read from a clip store, or decoded."""
        return True

    def num_crops(self, rows: Rows) -> Rows:
        """Return how many whole crops each clip has, at least 1."""
        counts: Rows = np.maximum(self.sound.lengths[rows] // self.crop_samples, 1)
        return counts

    def crop(self, rows: Rows, positions: NDArray[np.float64]) -> Piece:
        """Read crops of some clips; a clip shorter than a crop is padded with zeros.

        If a clip is too short for all of its adjacent crops, they overlap as little as possible.
        """
        lengths = self.sound.lengths[rows][:, None]  # (B, 1)
        num_crops = positions.shape[1]
        room, step = np.maximum(lengths - self.crop_samples, 0), np.zeros_like(lengths)
        if self.adjacent and num_crops > 1:
            positions = positions[:, :1]
            step = np.minimum(room // (num_crops - 1), self.crop_samples) // self.grid * self.grid
        last = (room - step * (num_crops - 1)) // self.grid
        first = np.floor(positions * (last + 1)).astype(np.int64) * self.grid
        starts: Rows = (first + step * np.arange(num_crops)).ravel()  # (B V,)
        valid = np.minimum(np.repeat(lengths, num_crops) - starts, self.crop_samples)
        return self._piece(np.repeat(rows, num_crops), starts, valid, self.crop_samples)

    def whole(self, rows: Rows) -> Piece:
        """Read all of some clips, padded with zeros to the longest of them."""
        lengths = self.sound.lengths[rows]
        return self._piece(rows, np.zeros(len(rows), np.int64), lengths, int(lengths.max()))

    def batches(self, rows: Rows, batch_size: int) -> Iterator[Rows]:
        """Divide clips into batches of at most `batch_size` clips and `_MAX_SAMPLES` samples."""
        lengths = self.sound.lengths
        batch: list[int] = []
        longest = 0
        for row in rows.tolist():
            longest = max(longest, int(lengths[row]))
            if batch and (len(batch) == batch_size or (len(batch) + 1) * longest > _MAX_SAMPLES):
                yield np.array(batch, np.int64)
                batch, longest = [], int(lengths[row])
            batch.append(row)
        if batch:
            yield np.array(batch, np.int64)

    def _piece(self, rows: Rows, starts: Rows, valid: Rows, num_samples: int) -> Piece:
        sound = self.sound
        read: Callable[[Rows, Rows, int], NDArray[Any]] = sound.read
        if self.stored and isinstance(sound, ClipStore):
            read = sound.read_stored
        x = torch.from_numpy(read(rows, starts, num_samples))
        full = (valid == num_samples).all()
        return Piece(x, None if full else torch.from_numpy(valid), starts)


def clips_of(
    corpus: Corpus, crop_seconds: float | None, adjacent: bool = False, on_grid: bool = False
) -> Clips:
    """Return the input of a corpus's clips.

    Args:
        corpus: A corpus of instances, of tokens or of sound.
        crop_seconds: Length of a training crop of a recording, in seconds. None, or more than the
            longest recording, for whole recordings. Other clips are short and never cropped.
        adjacent: Whether crops of the same recording follow each other; see `SoundClips`.
        on_grid: Whether crops start at the start of a label frame, for labels in time.

    Raises:
        InputError: If a crop would be empty.
    """
    if corpus.is_tokens:
        return TokenClips(corpus.token_rows, corpus.lengths)
    if not corpus.is_sound:
        return InstanceClips(corpus.instances, corpus.lengths)
    sound = corpus.sound
    rate = sound.sample_rate
    grid = samples_per_label_frame(corpus) if on_grid else 1
    samples = longest = int(sound.lengths.max())
    if crop_seconds is not None:
        if round(min(crop_seconds, 1e6) * rate) < 1:
            raise InputError(f"data.crop_seconds must be positive, got {crop_seconds:g}.")
        samples = min(longest, round(min(crop_seconds, 1e6) * rate))  # more would only add padding
    return SoundClips(sound, samples, grid, adjacent)


def feature_statistics(clips: Clips, rows: Rows) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of the instances of some clips, both (F,) float32.

    Args:
        clips: Clips of instances.
        rows: Those that count.
    """
    count = 0
    total = squares = torch.zeros((), dtype=torch.float64)
    for batch in clips.batches(rows, _STATISTICS_CHUNK):
        piece = clips.whole(batch)
        x = piece.x.double()
        if piece.lengths is not None:
            x = x[valid_instances(piece.lengths, x.shape[1])]
        x = x.flatten(0, -2)
        count, total, squares = count + len(x), total + x.sum(0), squares + x.square().sum(0)
    mean = total / count
    variance = (squares / count - mean**2).clamp_min(0)
    return mean.float(), variance.sqrt().float()
