"""Validation of a corpus: its clips, its targets, and whether every class can be learnt."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicssl.data.corpus import SPLITS, Corpus
from musicssl.errors import InputError

_CHUNK = 1024  # clips at a time
TASKS = ("multi_label", "multi_class", "regression")

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]


def check_corpus(corpus: Corpus) -> Corpus:
    """Return the corpus after checking that it can be learnt from.

    Raises:
        InputError: If shapes disagree, a feature is not finite, clip names repeat, a split is
            unknown, there is nothing to train on, or a class cannot be learnt from the training
            split.
    """
    if len(corpus.classes) == 0:
        raise InputError(no_labels(corpus.name))
    check_clips(corpus)
    check_targets(
        corpus.name,
        corpus.task,
        corpus.classes,
        corpus.clip_ids,
        corpus.y,
        corpus.mask,
        train=corpus.split == "train",
    )
    return corpus


def no_labels(corpus: str) -> str:
    """Say that a corpus without labels cannot be learnt from alone."""
    return (
        f"{corpus}: no clip has a label, so nothing can be learnt from it alone; label "
        f"some, or choose a corpus with labels, and this one with unlabelled={corpus}."
    )


def check_clips(corpus: Corpus) -> Corpus:
    """Return the corpus after checking its clips, but not its labels.

    Raises:
        InputError: If shapes disagree, a feature is not finite, clip names repeat or a split is
            unknown.
    """
    _check_shapes(corpus)
    unknown = sorted(set(np.unique(corpus.split).tolist()) - set(SPLITS))
    if unknown:
        raise InputError(f"{corpus.name}: unknown split {_quoted(unknown)}; use {_quoted(SPLITS)}.")
    names, counts = np.unique(corpus.clip_ids, return_counts=True)
    if (counts > 1).any():
        raise InputError(
            f"{corpus.name}: clip {str(names[counts > 1][0])!r} occurs twice; "
            "give each clip one row."
        )
    if corpus.is_tokens:
        _check_lengths(corpus, corpus.token_rows.shape[1])
        _check_tokens(corpus)
    elif not corpus.is_sound:
        _check_lengths(corpus, corpus.instances.shape[1])
        _check_finite(corpus, corpus.instances)
    return corpus


def check_targets(
    corpus: str,
    task: str,
    classes: Sequence[str],
    clip_ids: NDArray[np.str_],
    y: Floats,
    mask: Bools,
    train: Bools,
) -> None:
    """Check the observed targets of all clips, and that each class can be learnt.

    Args:
        corpus: Name of the corpus, for messages.
        task: See `musicssl.data.corpus.Corpus`.
        classes: Names of the classes, (C).
        clip_ids: Names of the clips, (N,).
        y: Targets, (N, C).
        mask: True where observed, (N, C).
        train: True for the clips of the training split, (N,).

    Raises:
        InputError: If the task is unknown, an observed target is out of range, a clip of a
            multi-class corpus has not exactly one class, or a class cannot be learnt from the
            training split.
    """
    if task not in TASKS:
        raise InputError(f"{corpus}: there is no task {task!r}; it is one of {', '.join(TASKS)}.")
    _check_range(corpus, task, classes, clip_ids, y, mask)
    if task == "multi_class":
        _check_one_hot(corpus, clip_ids, y, mask)
    if not train.any():
        raise InputError(f"{corpus}: no clip is in the training split; mark some as 'train'.")
    _check_learnable(corpus, task, classes, y, mask, train)


def learnable(y: Floats, mask: Bools, task: str) -> Bools:
    """Return which classes can be learnt from some clips, (C,) bool.

    A class can be learnt if it was observed both present and absent, the target of a regression if
    it was observed with two different values.

    Args:
        y: Targets, (N, C).
        mask: True where observed, (N, C).
        task: See `musicssl.data.corpus.Corpus`.
    """
    values = y if task == "regression" else y >= 0.5
    least = np.where(mask, values, np.inf).min(axis=0, initial=np.inf)
    greatest = np.where(mask, values, -np.inf).max(axis=0, initial=-np.inf)
    return np.asarray(least < greatest)


def _check_shapes(corpus: Corpus) -> None:
    num_clips, num_classes = len(corpus.clip_ids), len(corpus.classes)
    activity = corpus.activity
    label_frames = 0 if activity is None else activity.shape[1]
    expected: dict[str, tuple[Any, tuple[int, ...]]] = {
        "y": (corpus.y, (num_clips, num_classes)),
        "mask": (corpus.mask, (num_clips, num_classes)),
        "split": (corpus.split, (num_clips,)),
        "lengths": (corpus.lengths, (num_clips,)),
        "groups": (corpus.groups, (num_clips,)),
        "sources": (corpus.sources, (num_clips,)),
        "pitches": (corpus.pitches, (num_clips,)),
    }
    if corpus.is_sound:
        expected["x"] = (corpus.sound.lengths, (num_clips,))
    elif corpus.is_tokens:
        label_frames = corpus.token_rows.shape[-1]
        expected["x"] = (corpus.token_rows, (num_clips, label_frames))
    else:
        label_frames = corpus.instances.shape[1]
        expected["x"] = (corpus.instances, (num_clips, *corpus.instances.shape[1:]))
    expected["activity"] = (activity, (num_clips, label_frames, num_classes))
    for name, (array, shape) in expected.items():
        if array is not None and array.shape != shape:
            raise InputError(
                f"{corpus.name}: {name} has shape {array.shape}, but {num_clips} clips and "
                f"{num_classes} classes need {shape}; check that its files belong together."
            )


def _check_lengths(corpus: Corpus, longest: int) -> None:
    lengths = corpus.lengths
    if lengths is not None and not ((lengths >= 1) & (lengths <= longest)).all():
        clip = str(corpus.clip_ids[np.argmax((lengths < 1) | (lengths > longest))])
        raise InputError(
            f"{corpus.name}: the length of clip {clip!r} must be from 1 to {longest} instances; "
            "leave out clips without an instance."
        )


def _check_finite(corpus: Corpus, x: NDArray[np.float32]) -> None:
    for start in range(0, len(x), _CHUNK):
        bad = ~np.isfinite(x[start : start + _CHUNK]).all(axis=(1, 2))
        if bad.any():
            clip = str(corpus.clip_ids[start + int(np.argmax(bad))])
            raise InputError(
                f"{corpus.name}: clip {clip!r} has features that are NaN or infinite; "
                "remove the clip or compute its features again."
            )


def _check_tokens(corpus: Corpus) -> None:
    x, count = corpus.token_rows, len(corpus.tokens)
    whole = np.issubdtype(x.dtype, np.integer)
    bad = np.flatnonzero(((x < 0) | (x >= count)).any(axis=1)) if whole else np.arange(len(x))
    if len(bad):
        raise InputError(
            f"{corpus.name}: the tokens of clip {str(corpus.clip_ids[bad[0]])!r} must be whole "
            f"numbers from 0 to {count - 1}, of the {count} tokens that the corpus names; write "
            "them again."
        )


def _check_range(
    corpus: str,
    task: str,
    classes: Sequence[str],
    clip_ids: NDArray[np.str_],
    y: Floats,
    mask: Bools,
) -> None:
    fits = np.isfinite(y) if task == "regression" else (y >= 0) & (y <= 1)
    bad = np.argwhere(mask & ~fits)
    if len(bad):
        clip, column = bad[0]
        needed = "be a finite number" if task == "regression" else "lie in [0, 1]"
        raise InputError(
            f"{corpus}: clip {str(clip_ids[clip])!r} has {y[clip, column]:g} for "
            f"{classes[column]!r}, but a target must {needed}; correct the annotation or leave the "
            "clip out."
        )


def _check_one_hot(corpus: str, clip_ids: NDArray[np.str_], y: Floats, mask: Bools) -> None:
    observed, present = mask.sum(axis=1), (mask & (y == 1)).sum(axis=1)
    whole = (observed == mask.shape[1]) & (present == 1) & (y.sum(axis=1, where=mask) == 1)
    bad = (observed > 0) & ~whole
    if bad.any():
        clip = str(clip_ids[np.argmax(bad)])
        raise InputError(
            f"{corpus}: clip {clip!r} must have exactly one class, because the task of the corpus "
            "is multi_class; correct its labels, or use the task multi_label."
        )


def _check_learnable(
    corpus: str, task: str, classes: Sequence[str], y: Floats, mask: Bools, train: Bools
) -> None:
    for column in np.flatnonzero(~learnable(y[train], mask[train], task)).tolist():
        name, observed = classes[column], y[train & mask[:, column], column]
        if len(observed) == 0:
            raise InputError(
                f"{corpus}: class {name!r} has no label in the training split; "
                "label some clips for it or remove the class."
            )
        if task == "regression":
            raise InputError(
                f"{corpus}: {name!r} is {observed[0]:g} in every training clip annotated for it, "
                "so it cannot be learnt; add clips of other values or remove it."
            )
        others = int((y[~train & mask[:, column], column] >= 0.5).sum())
        if observed[0] < 0.5 and others:
            raise InputError(
                f"{corpus}: no training clip is of class {name!r}, but {others} "
                f"{'other is' if others == 1 else 'others are'}; move some into the training "
                "split or remove the class."
            )
        value = "present" if observed[0] >= 0.5 else "absent"
        raise InputError(
            f"{corpus}: class {name!r} is {value} in every training clip labelled for it, "
            "so it cannot be learnt; add clips of the other kind or remove the class."
        )


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names)
