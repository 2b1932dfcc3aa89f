"""Target similarities W of contrastive learning.

A similarity maps the labels of n rows and of N rows to an (n, N) matrix of float32, 0 or more. It
needs memory of order n x N: labels are compared by matrix products, not for each pair in a tensor
of order n x N x C. Unobserved labels never match, whatever their targets are, even NaN. The
diagonal is computed like other cells; the loss ignores it.

`same_clip` and `union` combine the similarity of views with that of labels.
"""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import NamedTuple

import torch
from torch import Tensor

from musicssl.errors import InputError


class Labels(NamedTuple):
    """The labels of some rows.

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
        labels: Labels of n rows.
        others: Labels of N rows.
        threshold: Number of classes that must be shared. A row with fewer classes matches no other.

    Raises:
        InputError: If `threshold` is less than 1.
    """
    if not threshold >= 1:
        raise InputError(f"similarity.threshold must be 1 or more classes, got {threshold:g}.")
    return (_products(_present(labels), _present(others)) >= threshold).float()


def dice(labels: Labels, others: Labels) -> Tensor:
    """Return 2 |A & B| / (|A| + |B|) of the classes A and B that are present in two rows.

    Only classes observed in both rows are counted; 0 where there is none, or none of them is
    present. If everything is observed it is the similarity "weighted" of SemiSupCon's code.

    Args:
        labels: Labels of n rows.
        others: Labels of N rows.
    """
    present, others_present = _present(labels), _present(others)
    sizes = _products(present, others.mask).add_(_products(labels.mask, others_present))
    shared = _products(present, others_present)
    return shared.mul_(2).div_(sizes.clamp_min_(1))  # sizes are whole numbers


def same_class(labels: Labels, others: Labels) -> Tensor:
    """Return 1 where two rows belong to the same class, of several of which each row has one.

    As in `musicssl.losses.cross_entropy`, a row whose classes were not all observed has no class.

    Args:
        labels: Labels of n rows, one-hot.
        others: Labels of N rows, one-hot.
    """
    return (_class_of(labels, unknown=-1)[:, None] == _class_of(others, unknown=-2)).float()


def kernel(labels: Labels, others: Labels, width: float = 0.1) -> Tensor:
    """Return exp(-d^2 / (2 width^2)), d^2 the mean squared difference of two rows' targets.

    The mean is over the targets observed in both rows; the similarity is 0 where there is none.
    Targets are processed one after the other, since regressions have few of them: matrix products,
    |a|^2 + |b|^2 - 2 ab, would lose small differences of large targets, such as tempi, to rounding.

    Args:
        labels: Labels of n rows.
        others: Labels of N rows.
        width: Width of the kernel, in the unit of the targets.

    Raises:
        InputError: If `width` is not positive.
    """
    if not width > 0:
        raise InputError(f"similarity.width must be positive, got {width:g}.")
    counts = _products(labels.mask, others.mask)  # (n, N)
    squares = torch.zeros_like(counts)
    for column in range(labels.y.shape[1]):
        observed = labels.mask[:, column, None] & others.mask[:, column]
        differences = labels.y[:, column, None].float() - others.y[:, column].float()
        squares += differences.square_().masked_fill_(~observed, 0)
    similar = squares.div_(counts.clamp(min=1)).mul_(-0.5 / width**2).exp_()
    return similar.masked_fill_(counts == 0, 0)


def of_targets(
    labels: Labels, others: Labels, function: Callable[[Tensor, Tensor], Tensor] | str
) -> Tensor:
    """Return the result of a custom function, 0 unless all targets of both rows are observed.

    Args:
        labels: Labels of n rows.
        others: Labels of N rows.
        function: Maps targets, (n, C) and (N, C), 0 where not observed, to similarities of 0 or
            more, (n, N); or its dotted name, such as "mylab.alike", from which it is imported.

    Raises:
        InputError: If the function cannot be imported, or its result is not a tensor, has another
            shape or is negative.
    """
    custom = _imported(function) if isinstance(function, str) else function
    observed, others_observed = labels.mask.all(dim=1), others.mask.all(dim=1)
    shape = (len(observed), len(others_observed))
    similar = custom(labels.y.where(labels.mask, 0), others.y.where(others.mask, 0))
    returned = tuple(similar.shape) if isinstance(similar, Tensor) else type(similar).__name__
    if returned != shape:
        raise InputError(
            f"the function of similarity must map {shape[0]} and {shape[1]} rows of targets "
            f"to a matrix of the shape {shape}, but returned {returned}."
        )
    similar = similar.float().where(observed[:, None] & others_observed, 0)
    if not (similar >= 0).all():
        raise InputError(
            "the function of similarity must return numbers of 0 or more, but returned negative "
            "numbers or NaN; clip them, or shift them upwards."
        )
    return similar


FITTING: dict[str, tuple[Callable[..., Tensor], ...]] = {  # by task, the default first
    "multi_label": (dice, shared_labels),
    "multi_class": (same_class,),
    "regression": (kernel,),
}


def similarity_of(task: str, chosen: Similarity | None) -> Similarity:
    """Return the chosen similarity, or the default of a task if none is chosen.

    `of_targets`, and similarities from outside of musicssl, are accepted for every task.

    Args:
        task: The name of the task; see `musicssl.evaluation.tasks`.
        chosen: Maps the labels of n and of N rows to (n, N), or None.

    Raises:
        InputError: If the chosen similarity is for another kind of targets.
    """
    fitting = FITTING[task]
    if chosen is None:
        return fitting[0]
    function = chosen.func if isinstance(chosen, partial) else chosen
    built_in = [similarity for choices in FITTING.values() for similarity in choices]
    if function in built_in and function not in fitting:
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
            f"similarity.function={name} cannot be imported ({error}); give the dotted name of a "
            "function, such as mylab.alike, in a module beside train.py or on PYTHONPATH."
        ) from error
    if not callable(function):
        raise InputError(f"similarity.function={name} is not a function; give the name of one.")
    return function  # type: ignore[no-any-return]


def _present(labels: Labels) -> Tensor:
    return labels.mask & (labels.y >= 0.5)


def _class_of(labels: Labels, unknown: int) -> Tensor:
    """Return the index of each row's class, (N,), or `unknown`."""
    return labels.y.argmax(dim=1).where(labels.mask.all(dim=1), unknown)


def _products(a: Tensor, b: Tensor) -> Tensor:
    """Multiply (n, C) by (N, C): (n, N) float32, even under autocast, which would round counts."""
    with torch.autocast(a.device.type, enabled=False):
        return a.float() @ b.float().T
