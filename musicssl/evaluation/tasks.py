"""The three kinds of targets, and what follows from each for scores, loss and metrics.

Any pooling serves any of them. Those that average probabilities, as attention does, average the
values of a regression through the sigmoid: a mean, but not the arithmetic one of `pooling=mean` and
`gated_attention`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from musicssl.errors import InputError
from musicssl.evaluation.metrics import Metrics, multi_label_metrics
from musicssl.evaluation.multi_class import multi_class_metrics
from musicssl.evaluation.regression import regression_metrics
from musicssl.losses.balanced_bce import balanced_bce
from musicssl.losses.cross_entropy import cross_entropy
from musicssl.losses.masked_bce import masked_bce
from musicssl.losses.partial_bce import partial_bce
from musicssl.losses.squared_error import squared_error

Loss = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Task:
    """One kind of targets.

    Attributes:
        name: As `Corpus.task` has it.
        scores: What a network's outputs say, (..., C) -> (..., C): probabilities of classes, or
            the values of a regression.
        losses: What it can be learnt with, the natural one first.
        metrics: Judges scores by targets and mask, each (N, C).
    """

    name: str
    scores: Callable[[Tensor], Tensor]
    losses: tuple[Callable[..., Tensor], ...]
    metrics: Callable[[Tensor, Tensor, Tensor], Metrics]

    def loss(self, chosen: Loss | None) -> Loss:
        """Return the loss to learn with: the chosen one, or the natural one if there is none.

        A loss that is not of musicssl may do as it likes.

        Raises:
            InputError: If the chosen loss is for targets of another kind.
        """
        if chosen is None:
            return self.losses[0]
        function = chosen.func if isinstance(chosen, partial) else chosen
        ours = {loss for task in TASKS for loss in task.losses}
        if function in ours and function not in self.losses:
            fitting = " or ".join(f"loss={loss.__name__}" for loss in self.losses)
            raise InputError(
                f"loss={function.__name__} is not for targets of the kind {self.name}, which this "
                f"corpus has; choose {fitting}."
            )
        return chosen


def _softmax(logits: Tensor) -> Tensor:
    return logits.softmax(dim=-1)


def _as_they_are(logits: Tensor) -> Tensor:
    return logits


MULTI_LABEL = Task(
    "multi_label", Tensor.sigmoid, (masked_bce, balanced_bce, partial_bce), multi_label_metrics
)
MULTI_CLASS = Task("multi_class", _softmax, (cross_entropy, masked_bce), multi_class_metrics)
REGRESSION = Task("regression", _as_they_are, (squared_error,), regression_metrics)
TASKS = (MULTI_LABEL, MULTI_CLASS, REGRESSION)


def task_named(name: str) -> Task:
    """Return the task of a name.

    Raises:
        InputError: If there is none.
    """
    for task in TASKS:
        if task.name == name:
            return task
    known = ", ".join(task.name for task in TASKS)
    raise InputError(f"there is no task {name!r}; a corpus has one of: {known}.")
