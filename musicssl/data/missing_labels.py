"""Missing labels: labels are hidden one at a time, and treated as negative or left out."""

import numpy as np
from numpy.typing import NDArray

from musicssl.errors import InputError

MASKED, NEGATIVE = "masked", "negative"


def check_missing(missing: str, drop_labels: float, val_by: str) -> None:
    """Check the settings of missing labels.

    Raises:
        InputError: If one is out of range, or contradicts how validation labels are chosen.
    """
    if missing not in (MASKED, NEGATIVE):
        raise InputError(f"data.missing must be masked or negative, got {missing}.")
    if not 0 <= drop_labels < 1:
        raise InputError(f"data.drop_labels must be in [0, 1), got {drop_labels:g}.")
    if missing == NEGATIVE and val_by == "labels":
        raise InputError(
            "data.missing=negative would make the validation labels of data.val_by=labels negative "
            "in training; leave one of them out."
        )


def kept_cells(
    mask: NDArray[np.bool_], rate: float, seed: int, task: str = "multi_label"
) -> NDArray[np.bool_]:
    """Hide observed cells at random, each with the same probability.

    Gururani's later study of missing labels (2021, https://arxiv.org/abs/2111.12761) drops labels
    at rates of 0.1 to 0.8. Unlike `observed_cells`, a clip may lose all of its labels.

    Args:
        mask: True where the target was observed, (N, C).
        rate: Probability of hiding a cell, in [0, 1).
        seed: Seed of the draw; the cells hidden at a rate are hidden at every higher one.
        task: Kind of the targets; see `musicssl.data.corpus.Corpus`.

    Returns:
        The cells that stay observed, (N, C).

    Raises:
        InputError: If cells would be hidden in a multi-class corpus.
    """
    if rate == 0:
        return mask
    if task == "multi_class":
        raise InputError(
            f"data.drop_labels={rate:g} hides single classes of a clip, but each clip of this "
            "corpus has one class; hide whole labels with data.p_s."
        )
    kept: NDArray[np.bool_] = mask & (np.random.default_rng(seed).random(mask.shape) >= rate)
    return kept


def taken_for_absent(
    y: NDArray[np.float32],
    mask: NDArray[np.bool_],
    rows: NDArray[np.int64],
    task: str = "multi_label",
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return targets and mask in which every missing label of some clips is a negative.

    Args:
        y: Targets, (N, C).
        mask: True where the target was observed, (N, C).
        rows: The clips; those of others do not change.
        task: Kind of the targets; see `musicssl.data.corpus.Corpus`.

    Raises:
        InputError: If the task is not multi-label, in which nothing is a negative by itself.
    """
    if task != "multi_label":
        raise InputError(
            f"data.missing=negative takes missing classes for absent, but the targets of this "
            f"corpus are of the kind {task}; leave it out."
        )
    y, filled = np.where(mask, y, 0).astype(np.float32), mask.copy()
    filled[rows] = True
    return y, filled
