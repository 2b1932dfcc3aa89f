"""A corpus in memory: what every dataset module hands over, whatever its files look like."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from musicssl.errors import InputError

SPLITS = ("train", "val", "test")


@dataclass(frozen=True, eq=False)
class Corpus:
    """N clips of T instances with F features, and what is known of their C classes.

    Attributes:
        name: The word typed after `dataset=`.
        classes: The name of each class, in column order, (C).
        x: Instances, (N, T, F) float32; an array or a memory map.
        y: Targets in [0, 1], (N, C) float32; without meaning where `mask` is False.
        mask: True where a target was observed, (N, C) bool.
        split: "train", "val" or "test" of each clip, (N,) str. A corpus without "val" clips has
            its validation set carved out of "train" by `musicssl.splits`.
        clip_ids: A unique name of each clip, (N,) str.
        lengths: Valid instances of each clip, (N,) int64, or None if all T are valid.
        groups: What must not be torn apart by a split (artist, song), (N,) str, or None.
        activity: Which class sounds in which instance, (N, T, C) bool, where that is known.
        instance_seconds: Duration of one instance, in seconds.
    """

    name: str
    classes: tuple[str, ...]
    x: NDArray[np.float32]
    y: NDArray[np.float32]
    mask: NDArray[np.bool_]
    split: NDArray[np.str_]
    clip_ids: NDArray[np.str_]
    lengths: NDArray[np.int64] | None = None
    groups: NDArray[np.str_] | None = None
    activity: NDArray[np.bool_] | None = None
    instance_seconds: float = 1.0

    def indices(self, split: str) -> NDArray[np.int64]:
        """Row numbers of the clips of one split, ascending."""
        return np.flatnonzero(self.split == split)


class Dataset(Protocol):
    """What a module in `musicssl.datasets` offers: it knows its files, no method and no policy."""

    def prepare(self) -> None:
        """Make whatever is derived from the files and kept (a cache), once, with progress."""

    def load(self) -> Corpus:
        """Read the corpus; cheap after `prepare`."""

    def audio(self, clip_id: str) -> tuple[NDArray[np.float32], int]:
        """Return the sound of one clip, (S,) mono in [-1, 1], and its sample rate in Hz."""


def check_corpus(corpus: Corpus) -> Corpus:
    """Return the corpus if it can be learnt from.

    Raises:
        InputError: If shapes disagree, a feature is not finite, clip names repeat, a split is
            unknown, there is nothing to train on, or a class cannot be learnt from the training
            split.
    """
    num_clips, num_classes = len(corpus.clip_ids), len(corpus.classes)
    if num_classes == 0:
        raise InputError(f"{corpus.name}: no clip has a label; nothing can be learnt.")
    _check_shapes(corpus, num_clips, num_classes)
    unknown = sorted(set(np.unique(corpus.split).tolist()) - set(SPLITS))
    if unknown:
        raise InputError(f"{corpus.name}: unknown split {_quoted(unknown)}; use {_quoted(SPLITS)}.")
    names, counts = np.unique(corpus.clip_ids, return_counts=True)
    if (counts > 1).any():
        raise InputError(
            f"{corpus.name}: clip {str(names[counts > 1][0])!r} occurs twice; "
            "give each clip one row."
        )
    _check_lengths(corpus)
    _check_finite(corpus)
    _check_classes(corpus)
    return corpus


def _check_shapes(corpus: Corpus, num_clips: int, num_classes: int) -> None:
    expected: dict[str, tuple[Any, tuple[int, ...]]] = {
        "x": (corpus.x, (num_clips, *corpus.x.shape[1:])),
        "y": (corpus.y, (num_clips, num_classes)),
        "mask": (corpus.mask, (num_clips, num_classes)),
        "split": (corpus.split, (num_clips,)),
        "lengths": (corpus.lengths, (num_clips,)),
        "groups": (corpus.groups, (num_clips,)),
        "activity": (corpus.activity, (num_clips, corpus.x.shape[1], num_classes)),
    }
    for name, (array, shape) in expected.items():
        if array is not None and array.shape != shape:
            raise InputError(
                f"{corpus.name}: {name} has shape {array.shape} where {shape} fits its "
                f"{num_clips} clips and {num_classes} classes; its files do not belong together."
            )


def _check_lengths(corpus: Corpus) -> None:
    lengths, longest = corpus.lengths, corpus.x.shape[1]
    if lengths is not None and not ((lengths >= 1) & (lengths <= longest)).all():
        clip = str(corpus.clip_ids[np.argmax((lengths < 1) | (lengths > longest))])
        raise InputError(
            f"{corpus.name}: clip {clip!r} has a length outside of 1 to {longest} instances; "
            "leave out clips without an instance."
        )


def _check_finite(corpus: Corpus, chunk: int = 1024) -> None:
    for start in range(0, len(corpus.x), chunk):
        bad = ~np.isfinite(corpus.x[start : start + chunk]).all(axis=(1, 2))
        if bad.any():
            clip = str(corpus.clip_ids[start + int(np.argmax(bad))])
            raise InputError(
                f"{corpus.name}: clip {clip!r} has features that are NaN or infinite; "
                "remove the clip or compute its features again."
            )


def _check_classes(corpus: Corpus) -> None:
    train = corpus.split == "train"
    if not train.any():
        raise InputError(f"{corpus.name}: no clip is in the training split; nothing can be learnt.")
    mask, y = corpus.mask[train], corpus.y[train]
    observed = mask.sum(axis=0)
    positive = ((y >= 0.5) & mask).sum(axis=0)
    for name, seen, present in zip(corpus.classes, observed, positive, strict=True):
        if seen == 0:
            raise InputError(
                f"{corpus.name}: class {name!r} has no label in the training split; "
                "label some clips for it or remove the class."
            )
        if present in (0, seen):
            value = "absent" if present == 0 else "present"
            raise InputError(
                f"{corpus.name}: class {name!r} is {value} in every training clip labelled for it, "
                "so it cannot be learnt; add clips of the other kind or remove the class."
            )


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names)
