"""Validation of a corpus's targets: they must fit its task, and every class must be learnable."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from musicssl.errors import InputError

TASKS = ("multi_label", "multi_class", "regression")

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]


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
