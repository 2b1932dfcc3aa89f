"""Embeddings as a file holds them, whatever its format: what there can be, and what must fit."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicssl.errors import InputError

_NUMBERS, _TEXT = "fiu", "USiu"  # kinds of dtype; a name may be a number


@dataclass(frozen=True, eq=False)
class SavedEmbeddings:
    """Embeddings of N clips, and what the file says of them; None for what it does not say.

    Attributes:
        embeddings: (N, D) float32.
        clip_ids: A unique name of each clip, (N,) str.
        targets: (N, C) float32; without meaning where `mask` is False.
        mask: True where the target was observed, (N, C) bool.
        split: "train", "val" or "test" of each clip, (N,) str.
        classes: The name of each class, in column order, (C,) str.
        task: What the targets are; see `musicssl.data.corpus.Corpus`.
        groups: What must not be torn apart by a split, (N,) str.
        credit: What an answer is worth, (C, C) float32; see `musicssl.data.corpus.Corpus`.
    """

    embeddings: NDArray[np.float32]
    clip_ids: NDArray[np.str_]
    targets: NDArray[np.float32] | None = None
    mask: NDArray[np.bool_] | None = None
    split: NDArray[np.str_] | None = None
    classes: NDArray[np.str_] | None = None
    task: str | None = None
    groups: NDArray[np.str_] | None = None
    credit: NDArray[np.float32] | None = None


def saved_embeddings(path: Path, arrays: Mapping[str, NDArray[Any]]) -> SavedEmbeddings:
    """Make sure of what was read from a file, by the names of `SavedEmbeddings`; ignore others.

    Raises:
        InputError: If embeddings or names of clips are missing, embeddings are not 2-D or not
            finite, counts disagree, names repeat, or something is of another type.
    """
    for name in ("embeddings", "clip_ids"):
        if name not in arrays:
            raise InputError(
                f"{path} has no {name!r}; a file of embeddings holds 'embeddings', (N, D), and "
                "'clip_ids', (N,), the name of each clip."
            )
    if arrays["embeddings"].ndim != 2 or not arrays["embeddings"].size:
        raise InputError(
            f"{path}: embeddings have shape {arrays['embeddings'].shape}; give each clip one "
            "vector, (N, D)."
        )
    checked = {
        name: _CHECKS[name](path, name, array) for name, array in arrays.items() if name in _CHECKS
    }
    if "task" in checked:
        checked["task"] = str(checked["task"])
    saved = SavedEmbeddings(**checked)
    _check_shapes(path, saved)
    _check_clips(path, saved)
    return saved


def _text(path: Path, name: str, array: NDArray[Any]) -> NDArray[np.str_]:
    if array.dtype.kind not in _TEXT:
        raise InputError(f"{path}: {name} is {array.dtype}; make it text.")
    return array.astype(np.str_)


def _numbers(path: Path, name: str, array: NDArray[Any]) -> NDArray[np.float32]:
    if array.dtype.kind not in _NUMBERS:
        raise InputError(f"{path}: {name} is {array.dtype}; make it float32.")
    with np.errstate(over="ignore"):  # what float32 cannot hold is refused as infinite
        return array.astype(np.float32, copy=False)


def _bools(path: Path, name: str, array: NDArray[Any]) -> NDArray[np.bool_]:
    if array.dtype != np.bool_:
        raise InputError(f"{path}: {name} is {array.dtype}; make it bool.")
    return array


_CHECKS: Mapping[str, Callable[[Path, str, NDArray[Any]], Any]] = {
    "embeddings": _numbers,
    "clip_ids": _text,
    "targets": _numbers,
    "mask": _bools,
    "split": _text,
    "classes": _text,
    "task": _text,
    "groups": _text,
    "credit": _numbers,
}


def _check_shapes(path: Path, saved: SavedEmbeddings) -> None:
    num_clips = len(saved.embeddings)
    classes = saved.classes if saved.classes is not None else saved.targets
    num_classes = 0 if classes is None else classes.shape[-1] if classes.ndim else 0
    expected = {
        "clip_ids": (num_clips,),
        "split": (num_clips,),
        "groups": (num_clips,),
        "targets": (num_clips, num_classes),
        "mask": (num_clips, num_classes),
        "classes": (num_classes,),
        "credit": (num_classes, num_classes),
    }
    for name, shape in expected.items():
        array = getattr(saved, name)
        if array is not None and array.shape != shape:
            raise InputError(
                f"{path}: {name} has shape {array.shape} where {shape} fits its {num_clips} "
                f"embeddings and {num_classes} classes; write them together."
            )


def _check_clips(path: Path, saved: SavedEmbeddings) -> None:
    names, counts = np.unique(saved.clip_ids, return_counts=True)
    if (counts > 1).any():
        twice = str(names[counts > 1][0])
        raise InputError(f"{path}: clip {twice!r} occurs twice; give each clip one row.")
    bad = ~np.isfinite(saved.embeddings).all(axis=1)
    if bad.any():
        clip = str(saved.clip_ids[np.argmax(bad)])
        raise InputError(
            f"{path}: the embedding of clip {clip!r} is NaN or infinite, or too large for float32; "
            "compute it again or leave the clip out."
        )
