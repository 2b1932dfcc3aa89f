"""Labels of the clips of a probe: usable cells, class priors, and checks."""

from collections.abc import Sequence

import torch
from torch import Tensor

from musicssl.errors import InputError
from musicssl.evaluation.tasks import Task
from musicssl.probing.base import Embeddings


def labelled_cells(mask: Tensor, task: Task) -> Tensor:
    """Return the mask of the cells that a probe can use, (N, C) bool.

    These are all observed cells; but if a clip has one class, only those of clips whose classes
    were all observed: the absence of one class does not say which class is present.
    """
    if task.one_class_per_clip:
        return mask.all(1, keepdim=True).expand_as(mask)
    return mask


def smoothed_mean(totals: Tensor, counts: Tensor, task: Task) -> Tensor:
    """Return the mean of targets, smoothed for classes, (..., C).

    For a regression this is the mean, or 0 without clips. For classes it is the fraction of clips
    of the class, as if half a clip more had been observed for each possible value (present and
    absent, or each of the classes): no value gets probability 0 because it is missing in a few
    clips, which would make the logarithmic loss infinite. Smoothing keeps the order of fractions of
    the same number of clips, and the sum over classes is 1 if a clip has one class.

    Args:
        totals: Sums of the targets, (..., C).
        counts: Numbers of clips, of a shape that broadcasts to that of `totals`.
        task: The task of the targets.
    """
    if not task.has_classes:
        return totals / counts.clamp_min(1)
    num_values = totals.shape[-1] if task.one_class_per_clip else 2
    return (totals + 0.5) / (counts + 0.5 * num_values)


def prior_scores(y: Tensor, mask: Tensor, task: Task) -> Tensor:
    """Return the scores of the class priors, (C,): the smoothed mean over all labelled clips.

    Args:
        y: Targets, (N, C); arbitrary where not observed, even NaN.
        mask: True where observed, (N, C).
        task: The task of the targets.
    """
    mask = labelled_cells(mask, task)
    return smoothed_mean(y.where(mask, 0).sum(0), mask.sum(0), task)


def check_learnable(
    train: Embeddings, subsets: Sequence[Tensor], val: Embeddings, task: Task
) -> None:
    """Check that each subset and the validation clips have labels and finite embeddings.

    Args:
        train: The training clips.
        subsets: Rows of the clips of each subset, (n,).
        val: The validation clips.
        task: The task of the targets.

    Raises:
        InputError: If a subset or the validation clips have no label, or an embedding is not
            finite.
    """
    for rows in subsets:
        _check(train.select(rows), "training", "label some, or raise data.p_s", task)
    _check(val, "validation", "label some, since they are needed to choose a probe", task)


def _check(clips: Embeddings, split: str, cure: str, task: Task) -> None:
    if not labelled_cells(clips.mask, task).any():
        raise InputError(f"no {split} clip has a label for the probe; {cure}.")
    if not torch.isfinite(clips.h).all():
        raise InputError(
            f"an embedding of a {split} clip is not finite; embed the clips again, or choose "
            "another checkpoint if training diverged."
        )
