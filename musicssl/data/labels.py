"""The labels that a run may see, and the batches that they are put into."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from musicssl.batch import Batch
from musicssl.data.clips import Piece
from musicssl.data.corpus import Corpus
from musicssl.data.label_grid import samples_per_label_frame


class ClipLabels:
    """Targets and mask of all clips, as tensors that share the memory of the arrays."""

    def __init__(self, corpus: Corpus, y: NDArray[np.float32], mask: NDArray[np.bool_]) -> None:
        self._y = torch.from_numpy(y)
        self._mask = torch.from_numpy(mask)
        self._activity = corpus.activity
        self._grid = samples_per_label_frame(corpus)

    def values(self, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Copy targets and mask of some rows."""
        return self._y[rows], self._mask[rows]

    def of(self, rows: NDArray[np.int64], piece: Piece, strong: bool = False) -> Batch:
        """Return the batch of some rows, given their input; with labels in time if `strong`."""
        index = torch.from_numpy(rows)
        y, mask = self._y[index], self._mask[index]
        activity = self._activity_of(rows, piece) if strong else None
        return Batch(piece.x, y, mask, piece.lengths, index, activity)

    def append_unlabelled(self, count: int) -> None:
        """Append `count` clips without labels."""
        zeros = torch.zeros(count, self._y.shape[1])
        self._y = torch.cat([self._y, zeros])
        self._mask = torch.cat([self._mask, zeros.bool()])

    def _activity_of(self, rows: NDArray[np.int64], piece: Piece) -> Tensor:
        """Return the label frames of the piece, (B, T, C).

        The last partial frame counts if at least half of it is there.
        """
        assert self._activity is not None
        num_clips, longest, _ = self._activity.shape
        spanned = piece.x.shape[1]
        if self._grid > 1 and piece.lengths is not None:
            spanned = int(piece.lengths.max())
        count = max(1, int(spanned / self._grid + 0.5))
        frames = piece.starts[:, None] // self._grid + np.arange(count)  # (B, T)
        exists = (frames < longest) & (rows < num_clips)[:, None]
        cells = np.where(exists, rows[:, None], 0), np.where(exists, frames, 0)
        return torch.from_numpy(self._activity[cells] & exists[..., None])
