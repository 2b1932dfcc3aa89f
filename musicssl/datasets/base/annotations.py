"""The annotations of a corpus, read from its files without opening a recording."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Annotations:
    """The annotations of N recordings for C classes.

    Attributes:
        classes: The name of each class, in column order, (C).
        paths: Each recording's file, relative to the folder of the corpus, with `/`, (N).
        y: Targets, (N, C) float32; arbitrary where `mask` is False.
        mask: True where the target was observed, (N, C) bool.
        split: "train", "val" or "test" of each recording, (N,) str.
        task: "multi_label", "multi_class" or "regression"; see `Corpus`.
        groups: Groups that a split keeps together (artist, song, singer), (N,) str, or None.
        activity: True where a class is active in a stretch of `activity_seconds`, (N, T, C) bool,
            False after the end of a recording; None without strong labels.
        activity_seconds: Duration of a stretch, in seconds.
        credit: Credit for answering class i if the class is j, (C, C) float32; None if an answer is
            just right or wrong.
        sources: Original recording of each file, (N,) str, see `Corpus`; None for the file itself.
        pitches: MIDI number of the note in each file, (N,) int64; None for other recordings.
        left_out: Path and fault of files that are broken or wrong; they are in no other field.
    """

    classes: tuple[str, ...]
    paths: tuple[str, ...]
    y: NDArray[np.float32]
    mask: NDArray[np.bool_]
    split: NDArray[np.str_]
    task: str = "multi_label"
    groups: NDArray[np.str_] | None = None
    activity: NDArray[np.bool_] | None = None
    activity_seconds: float = 1.0
    credit: NDArray[np.float32] | None = None
    sources: NDArray[np.str_] | None = None
    pitches: NDArray[np.int64] | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)

    def select(self, rows: NDArray[np.int64]) -> "Annotations":
        """Return the annotations of some recordings, selected by row numbers."""
        return replace(
            self,
            paths=tuple(self.paths[row] for row in rows),
            y=self.y[rows],
            mask=self.mask[rows],
            split=self.split[rows],
            groups=None if self.groups is None else self.groups[rows],
            activity=None if self.activity is None else self.activity[rows],
            sources=None if self.sources is None else self.sources[rows],
            pitches=None if self.pitches is None else self.pitches[rows],
        )


def one_hot(names: Sequence[str], classes: Sequence[str]) -> NDArray[np.float32]:
    """Return the one-hot targets, (N, C), of recordings given their classes, (N).

    >>> one_hot(["b", "a"], ("a", "b")).tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """
    column = {name: index for index, name in enumerate(classes)}
    return np.eye(len(classes), dtype=np.float32)[[column[name] for name in names]]
