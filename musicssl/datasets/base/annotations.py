"""What the annotation files of a corpus say, before any recording is looked at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Annotations:
    """N recordings and what people said of their C classes.

    Attributes:
        classes: The name of each class, in column order, (C).
        paths: Each recording's file, relative to the folder of the corpus, with `/`, (N).
        y: Targets, (N, C) float32; arbitrary where `mask` is False.
        mask: True where the target was observed, (N, C) bool.
        split: "train", "val" or "test" of each recording, (N,) str.
        task: "multi_label", "multi_class" or "regression"; see `Corpus`.
        groups: What a split must not tear apart (artist, song, singer), (N,) str, or None.
        activity: Which class sounds in which stretch of `activity_seconds`, (N, T, C) bool, False
            past the end of a recording; None if that is not known.
        activity_seconds: Duration of one such stretch, in seconds.
        credit: What it is worth to answer class i where j is right, (C, C) float32; None if an
            answer is right or wrong.
        sources: Which recording each one is of, (N,) str, as `Corpus` has it; None for the file.
        left_out: Files that are known to be broken or wrong, and why; they are in no other field.
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
    left_out: Mapping[str, str] = field(default_factory=dict)

    def select(self, rows: NDArray[np.int64]) -> "Annotations":
        """Return those of some recordings, by their row numbers."""
        return replace(
            self,
            paths=tuple(self.paths[row] for row in rows),
            y=self.y[rows],
            mask=self.mask[rows],
            split=self.split[rows],
            groups=None if self.groups is None else self.groups[rows],
            activity=None if self.activity is None else self.activity[rows],
            sources=None if self.sources is None else self.sources[rows],
        )


def one_hot(names: Sequence[str], classes: Sequence[str]) -> NDArray[np.float32]:
    """Turn the class of each recording, (N), into targets, (N, C).

    >>> one_hot(["b", "a"], ("a", "b")).tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """
    column = {name: index for index, name in enumerate(classes)}
    return np.eye(len(classes), dtype=np.float32)[[column[name] for name in names]]
