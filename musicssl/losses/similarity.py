"""How alike clips are to be: the target similarity W of contrastive learning.

A similarity takes the labels of n rows and of N rows to an (n, N) matrix of float32, 0 or more. It
is of order n x N in memory: labels meet in matrix products and are never laid out for each pair.
What was not observed never matches, whatever its target holds, NaN included. Nothing is special
about the diagonal; the loss leaves it out.

`same_clip` and `union` put together what views and labels say.
"""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import NamedTuple

import torch
from torch import Tensor

from musicssl.errors import InputError


class Labels(NamedTuple):
    """What is known of some rows.

    Attributes:
        y: Targets, (N, C); arbitrary where `mask` is False.
        mask: True where the target was observed, (N, C) bool.
    """

    y: Tensor
    mask: Tensor


Similarity = Callable[[Labels, Labels], Tensor]


def same_clip(rows: Tensor, others: Tensor) -> Tensor:
    """Return 1 where two rows are crops of one clip: (n,) and (N,) clips -> (n, N)."""
    return (rows[:, None] == others).float()


def union(first: Tensor, second: Tensor) -> Tensor:
    """Add two similarities, each (n, N), and clip the sum at 1."""
    return (first + second).clamp_max_(1)


def shared_labels(labels: Labels, others: Labels, threshold: int = 1) -> Tensor:
    """Return 1 where two rows share classes, observed and present in both.

    Args:
        labels: Of n rows.
        others: Of N rows.
        threshold: How many classes they have to share. A row with fewer is like no other.

    Raises:
        InputError: If that is less than 1.
    """
    if not threshold >= 1:
        raise InputError(f"similarity.threshold must be 1 or more classes, got {threshold:g}.")
    return (_products(_present(labels), _present(others)) >= threshold).float()


def dice(labels: Labels, others: Labels) -> Tensor:
    """Return 2 |A & B| / (|A| + |B|) of the classes A and B that are present in two rows.

    Only classes observed in both rows are counted; 0 where there is none, or none of them is
    present. Where everything is observed it is what SemiSupCon's code calls weighted.

    Args:
        labels: Of n rows.
        others: Of N rows.
    """
    ours, theirs = _present(labels), _present(others)
    sizes = _products(ours, others.mask).add_(_products(labels.mask, theirs))
    return _products(ours, theirs).mul_(2).div_(sizes.clamp_min_(1))  # sizes are whole numbers


def same_class(labels: Labels, others: Labels) -> Tensor:
    """Return 1 where two rows belong to the same one of several classes.

    As in `musicssl.losses.cross_entropy`, a row of which not all classes were observed is of none.

    Args:
        labels: Of n rows, one-hot.
        others: Of N rows, one-hot.
    """
    return (_class_of(labels, unknown=-1)[:, None] == _class_of(others, unknown=-2)).float()


def kernel(labels: Labels, others: Labels, width: float = 0.1) -> Tensor:
    """Return exp(-d^2 / (2 width^2)), d^2 the mean squared difference of two rows' targets.

    The mean is over the targets observed in both; 0 where there is none. Targets are taken one
    after the other, as there are few in a regression: |a|^2 + |b|^2 - 2 ab in matrix products would
    lose small differences of large targets, such as tempi, to rounding.

    Args:
        labels: Of n rows.
        others: Of N rows.
        width: The difference that is still alike, in the unit of the targets.

    Raises:
        InputError: If it is not positive.
    """
    if not width > 0:
        raise InputError(f"similarity.width must be positive, got {width:g}.")
    counts = _products(labels.mask, others.mask)  # (n, N)
    squares = torch.zeros_like(counts)
    for column in range(labels.y.shape[1]):
        observed = labels.mask[:, column, None] & others.mask[:, column]
        differences = labels.y[:, column, None].float() - others.y[:, column].float()
        squares += differences.square_().masked_fill_(~observed, 0)
    alike = squares.div_(counts.clamp(min=1)).mul_(-0.5 / width**2).exp_()
    return alike.masked_fill_(counts == 0, 0)


def of_targets(
    labels: Labels, others: Labels, function: Callable[[Tensor, Tensor], Tensor] | str
) -> Tensor:
    """Return what a function of yours says of two rows, 0 unless all targets of both are observed.

    Args:
        labels: Of n rows.
        others: Of N rows.
        function: Takes targets, (n, C) and (N, C), 0 where not observed, to similarities of 0 or
            more, (n, N); or its dotted name, such as "mylab.alike", by which it is imported.

    Raises:
        InputError: If it cannot be imported, or returns what is no tensor, of another shape or
            negative.
    """
    alike = _imported(function) if isinstance(function, str) else function
    known, theirs = labels.mask.all(dim=1), others.mask.all(dim=1)
    shape = (len(known), len(theirs))
    similar = alike(labels.y.where(labels.mask, 0), others.y.where(others.mask, 0))
    returned = tuple(similar.shape) if isinstance(similar, Tensor) else type(similar).__name__
    if returned != shape:
        raise InputError(
            f"the function of similarity must take {len(known)} and {len(theirs)} rows of targets "
            f"to a matrix of the shape {shape}, but returned {returned}."
        )
    similar = similar.float().where(known[:, None] & theirs, 0)
    if not (similar >= 0).all():
        raise InputError(
            "the function of similarity must return numbers of 0 or more, but returned others; "
            "clip them, or shift them upwards."
        )
    return similar


FITTING: dict[str, tuple[Callable[..., Tensor], ...]] = {  # of each task, the natural one first
    "multi_label": (dice, shared_labels),
    "multi_class": (same_class,),
    "regression": (kernel,),
}


def similarity_of(task: str, chosen: Similarity | None) -> Similarity:
    """Return the chosen similarity, or the natural one of a task if there is none.

    A similarity that is not of musicssl may do as it likes, and so may `of_targets`.

    Args:
        task: The name of the task; see `musicssl.evaluation.tasks`.
        chosen: Takes the labels of n and of N rows to (n, N), or None.

    Raises:
        InputError: If the chosen one is for targets of another kind.
    """
    fitting = FITTING[task]
    if chosen is None:
        return fitting[0]
    function = chosen.func if isinstance(chosen, partial) else chosen
    ours = [similarity for choices in FITTING.values() for similarity in choices]
    if function in ours and function not in fitting:
        cure = " or ".join(f"similarity={similarity.__name__}" for similarity in fitting)
        raise InputError(
            f"similarity={function.__name__} is not for targets of the kind {task}, which this "
            f"corpus has; choose {cure}."
        )
    return chosen


def _imported(name: str) -> Callable[[Tensor, Tensor], Tensor]:
    module, _, last = name.rpartition(".")
    try:
        function = getattr(import_module(module), last)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(
            f"similarity.function={name} cannot be imported ({error}); give a function's dotted "
            "name, such as mylab.alike, whose module lies beside train.py or on PYTHONPATH."
        ) from error
    if not callable(function):
        raise InputError(f"similarity.function={name} is no function; name one.")
    return function  # type: ignore[no-any-return]


def _present(labels: Labels) -> Tensor:
    return labels.mask & (labels.y >= 0.5)


def _class_of(labels: Labels, unknown: int) -> Tensor:
    """Return the place of each row's class, (N,), or `unknown`."""
    return labels.y.argmax(dim=1).where(labels.mask.all(dim=1), unknown)


def _products(a: Tensor, b: Tensor) -> Tensor:
    """Multiply (n, C) by (N, C): (n, N) float32, under autocast too, which would round counts."""
    with torch.autocast(a.device.type, enabled=False):
        return a.float() @ b.float().T
