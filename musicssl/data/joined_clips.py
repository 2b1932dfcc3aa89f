"""Reading the input of clips of two corpora by row, one batch at a time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from musicssl.audio.store import ClipStore
from musicssl.data.clips import Clips, Piece, Rows, SoundClips


@dataclass(frozen=True, eq=False)
class JoinedClips:
    """The clips of two corpora; the rows of the second corpus follow those of the first.

    Attributes:
        first: Clips of the first corpus, rows 0 to `count` - 1.
        second: Clips of the second corpus, rows `count` and above.
        count: Number of clips of the first corpus.
    """

    first: Clips
    second: Clips
    count: int

    @property
    def num_features(self) -> int:
        """F, the same in both corpora."""
        return self.first.num_features

    @property
    def num_instances(self) -> int:
        """T or S, the larger of the two corpora."""
        return max(self.first.num_instances, self.second.num_instances)

    @property
    def reads_files(self) -> bool:
        """Whether one of the corpora does."""
        return self.first.reads_files or self.second.reads_files

    def num_crops(self, rows: Rows) -> Rows:
        """Return how many whole crops each clip of either corpus has."""
        in_first = rows < self.count
        counts = np.ones(len(rows), np.int64)
        counts[in_first] = self.first.num_crops(rows[in_first])
        counts[~in_first] = self.second.num_crops(rows[~in_first] - self.count)
        return counts

    def crop(self, rows: Rows, positions: NDArray[np.float64]) -> Piece:
        """Read the training input of some clips of either corpus."""
        return self._read(
            rows,
            lambda in_first: self.first.crop(rows[in_first], positions[in_first]),
            lambda in_second: self.second.crop(rows[in_second] - self.count, positions[in_second]),
            num_crops=positions.shape[1],
        )

    def whole(self, rows: Rows) -> Piece:
        """Read all of some clips of either corpus."""
        return self._read(
            rows,
            lambda in_first: self.first.whole(rows[in_first]),
            lambda in_second: self.second.whole(rows[in_second] - self.count),
        )

    def batches(self, rows: Rows, batch_size: int) -> Iterator[Rows]:
        """Divide clips into batches of one corpus each, the first corpus before the second."""
        in_first = rows < self.count
        yield from self.first.batches(rows[in_first], batch_size)
        for batch in self.second.batches(rows[~in_first] - self.count, batch_size):
            yield batch + self.count

    def _read(
        self,
        rows: Rows,
        first: Callable[[NDArray[np.bool_]], Piece],
        second: Callable[[NDArray[np.bool_]], Piece],
        num_crops: int = 1,
    ) -> Piece:
        """Read clips of both corpora, in the order of `rows`.

        Args:
            rows: The clips, (B,).
            first: Reads the clips of the first corpus, given a mask of them, (B,) bool.
            second: Reads the clips of the second corpus, given a mask of them, (B,) bool.
            num_crops: Crops that are read of each clip, V.
        """
        in_first = rows < self.count
        if in_first.all():
            return first(in_first)
        if not in_first.any():
            return second(~in_first)
        crops = np.repeat(in_first, num_crops)  # (B V,)
        order = np.argsort(np.concatenate([np.flatnonzero(crops), np.flatnonzero(~crops)]))
        return _merged((first(in_first), second(~in_first)), order)


def as_stored(clips: Clips) -> Clips:
    """Return clips that are read as 16-bit samples, if all of them come from clip stores.

    Others are returned as they are: both corpora of a batch must have samples of one kind.
    """
    if isinstance(clips, JoinedClips):
        first, second = as_stored(clips.first), as_stored(clips.second)
        if first is clips.first or second is clips.second:
            return clips
        return replace(clips, first=first, second=second)
    if isinstance(clips, SoundClips) and isinstance(clips.sound, ClipStore):
        return replace(clips, stored=True)
    return clips


def _merged(pieces: tuple[Piece, Piece], order: Rows) -> Piece:
    """Join two pieces into one, padded to the longer one, with the clips in a new order."""
    longest = max(piece.x.shape[1] for piece in pieces)
    x = torch.cat([_padded(piece.x, longest) for piece in pieces])[order]
    lengths = torch.cat([_lengths(piece) for piece in pieces])[order]
    starts = np.concatenate([piece.starts for piece in pieces])[order]
    full = all(piece.lengths is None and piece.x.shape[1] == longest for piece in pieces)
    return Piece(x, None if full else lengths, starts)


def _padded(x: Tensor, longest: int) -> Tensor:
    padded = x.new_zeros((x.shape[0], longest, *x.shape[2:]))
    padded[:, : x.shape[1]] = x
    return padded


def _lengths(piece: Piece) -> Tensor:
    return torch.full((len(piece.x),), piece.x.shape[1]) if piece.lengths is None else piece.lengths
