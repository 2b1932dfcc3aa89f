"""What the labels of a few clips allow: what of them counts, and what to answer without a look."""

from collections.abc import Sequence

import torch
from torch import Tensor

from musicssl.errors import InputError
from musicssl.evaluation.tasks import Task
from musicssl.probing.base import Embeddings


def counted(mask: Tensor, task: Task) -> Tensor:
    """Return which observed cells say something, (N, C) bool.

    That is all of them, but where a clip has one class only those of clips whose classes were all
    observed: that a class is absent does not say which one is present.
    """
    if task.name == "multi_class":
        return mask.all(1, keepdim=True).expand_as(mask)
    return mask


def answer_of(totals: Tensor, counts: Tensor, task: Task) -> Tensor:
    """Return what to answer of a clip if some others are all that is known, (..., C).

    Of a regression their mean, 0 if there are none. Otherwise the share of them that are of the
    class, as if half a clip more had been observed for each possible answer (present and absent, or
    each of the classes): no answer is impossible because a few clips did not show it, which would
    make the logarithmic loss infinite. That keeps the order of shares of equally many clips, and is
    1 in all where a clip has one class.

    Args:
        totals: Sums of the targets, (..., C).
        counts: Of clips, of the same shape or one that broadcasts to it.
        task: What the targets are.
    """
    if task.name == "regression":
        return totals / counts.clamp_min(1)
    answers = totals.shape[-1] if task.name == "multi_class" else 2
    return (totals + 0.5) / (counts + 0.5 * answers)


def prior_scores(y: Tensor, mask: Tensor, task: Task) -> Tensor:
    """Return what to answer of a clip without a look at it, (C,): `answer_of` all labelled clips.

    Args:
        y: Targets, (N, C); arbitrary where not observed, even NaN.
        mask: True where observed, (N, C).
        task: What the targets are.
    """
    mask = counted(mask, task)
    return answer_of(y.where(mask, 0).sum(0), mask.sum(0), task)


def check_learnable(
    train: Embeddings, subsets: Sequence[Tensor], val: Embeddings, task: Task
) -> None:
    """Make sure that a probe can learn from each subset, and be chosen by the validation clips.

    Args:
        train: The training clips.
        subsets: Rows of those to learn from, each (n,).
        val: The validation clips.
        task: What the targets are.

    Raises:
        InputError: If a subset or the validation clips have no label, or an embedding is not
            finite.
    """
    for rows in subsets:
        _check(train.select(rows), "training", "label some, or raise data.p_s", task)
    _check(val, "validation", "label some, for a probe is chosen by them", task)


def _check(clips: Embeddings, split: str, cure: str, task: Task) -> None:
    if not counted(clips.mask, task).any():
        raise InputError(f"no {split} clip has a label for the probe; {cure}.")
    if not torch.isfinite(clips.h).all():
        raise InputError(
            f"an embedding of a {split} clip is not finite; embed the clips again, or choose "
            "another checkpoint if training diverged."
        )
