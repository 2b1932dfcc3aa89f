"""Loaders of batches: prefetching in a thread, and whole clips in order for validation and test."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from musicssl.batch import Batch
from musicssl.data.clips import Clips
from musicssl.data.labels import ClipLabels

Item = TypeVar("Item")
Made = TypeVar("Made")


def made_ahead(make: Callable[[Item], Made], items: Iterable[Item]) -> Iterator[Made]:
    """Yield `make(item)` of each item in order; a thread makes the next result meanwhile.

    An error of `make` is raised instead of its result.

    >>> list(made_ahead(abs, [-1, 2]))
    [1, 2]
    """
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as thread:
        waiting = None
        for item in items:
            following = thread.submit(make, item)
            if waiting is not None:
                yield waiting.result()
            waiting = following
        if waiting is not None:
            yield waiting.result()


class SplitLoader:
    """Batches of the whole clips of a split, in order."""

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
