"""The clips of a split, whole and in order, as validation and test see them."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from musicssl.batch import Batch
from musicssl.clip_labels import ClipLabels
from musicssl.clips import Clips


class SplitLoader:
    """The clips of a split in order, whole, in batches."""

    def __init__(
        self,
        clips: Clips,
        labels: ClipLabels,
        rows: NDArray[np.int64],
        batch_size: int,
        strong: bool = False,
    ) -> None:
        self._clips = clips
        self._labels = labels
        self._strong = strong
        self._batches = list(clips.batches(rows, batch_size))

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[Batch]:
        for rows in self._batches:
            yield self._labels.of(rows, self._clips.whole(rows), self._strong)
