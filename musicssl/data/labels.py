"""What a run may know of each clip of its corpus, and the batches that say so."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from musicssl.batch import Batch
from musicssl.data.clips import Piece
from musicssl.data.corpus import Corpus
from musicssl.data.label_grid import samples_per_place


class ClipLabels:
    """What is known of the clips, as tensors that share the corpus's memory."""

    def __init__(self, corpus: Corpus, mask: NDArray[np.bool_]) -> None:
        self._y = torch.from_numpy(corpus.y)
        self._mask = torch.from_numpy(mask)
        self._activity = corpus.activity
        self._grid = samples_per_place(corpus)

    def values(self, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Copy targets and mask of some rows."""
        return self._y[rows], self._mask[rows]

    def of(self, rows: NDArray[np.int64], piece: Piece, strong: bool = False) -> Batch:
        """Make a batch of the input of some rows."""
        index = torch.from_numpy(rows)
        y, mask = self._y[index], self._mask[index]
        activity = self._sounding(rows, piece) if strong else None
        return Batch(piece.x, y, mask, piece.lengths, index, activity)

    def append_unlabelled(self, count: int) -> None:
        """Number `count` clips of which nothing is known after the others."""
        nothing = torch.zeros(count, self._y.shape[1])
        self._y = torch.cat([self._y, nothing])
        self._mask = torch.cat([self._mask, nothing.bool()])

    def _sounding(self, rows: NDArray[np.int64], piece: Piece) -> Tensor:
        """Cut from the activity what the piece spans, (B, T, C); a last half second counts."""
        assert self._activity is not None
        num_clips, longest, _ = self._activity.shape
        spanned = piece.x.shape[1]
        if self._grid > 1 and piece.lengths is not None:
            spanned = int(piece.lengths.max())
        count = max(1, int(spanned / self._grid + 0.5))
        places = piece.starts[:, None] // self._grid + np.arange(count)  # (B, T)
        known = (places < longest) & (rows < num_clips)[:, None]
        cells = np.where(known, rows[:, None], 0), np.where(known, places, 0)
        return torch.from_numpy(self._activity[cells] & known[..., None])
