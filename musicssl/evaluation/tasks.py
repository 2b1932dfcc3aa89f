"""The three kinds of targets, with the scores, losses and metrics of each.

Code that depends on the kind of targets uses the attributes of `Task` and does not compare names.

Every pooling works with every task. Poolings that average probabilities, such as attention, average
the values of a regression through the sigmoid: a mean, but not the arithmetic mean of
`pooling=mean` and `gated_attention`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from musicssl.errors import InputError
from musicssl.evaluation.metrics import METRICS, Metrics, multi_label_metrics
from musicssl.evaluation.multi_class import multi_class_metrics
from musicssl.evaluation.regression import regression_metrics
from musicssl.evaluation.scores import LOG_ODDS, SCORES
from musicssl.losses.balanced_bce import balanced_bce
from musicssl.losses.cross_entropy import cross_entropy
from musicssl.losses.masked_bce import masked_bce
from musicssl.losses.partial_bce import partial_bce
from musicssl.losses.squared_error import squared_error

Loss = Callable[..., Tensor]  # of logits, targets and mask, (B, C) each, to a scalar


@dataclass(frozen=True, eq=False)
class Task:
    """One kind of targets.

    Attributes:
        name: The value of `Corpus.task`.
        scores: Maps the outputs of a network, (..., C), to scores, (..., C): probabilities of
            classes, or the values of a regression.
        log_odds: Maps the outputs of a network, (..., C), to what clips are ranked by: the log-odds
            of classes, which do not saturate as probabilities do, or the values of a regression.
        losses: The losses that fit the task, the default first.
        own_metrics: Compares scores with targets and mask, each (N, C), and ranks clips by the
            log-odds, (N, C) or None; see `metrics`.
        has_classes: Whether a target is the presence or absence of a class, and a score its
            probability. False for a regression, whose targets are real values.
        one_class_per_clip: Whether exactly one class of each clip is present, so that the predicted
            class is that of the greatest score.
    """

    name: str
    scores: Callable[[Tensor], Tensor]
    log_odds: Callable[[Tensor], Tensor]
    losses: tuple[Callable[..., Tensor], ...]
    own_metrics: Callable[[Tensor, Tensor, Tensor, Tensor | None], Metrics]
    has_classes: bool = True
    one_class_per_clip: bool = False

    def metrics(
        self, scores: Tensor, targets: Tensor, mask: Tensor, log_odds: Tensor | None = None
    ) -> Metrics:
        """Compare scores with targets, each (N, C), where `mask`, (N, C) bool, is True.

        Clips are ranked by the log-odds, (N, C), or if there are none by the scores. Metrics in
        `METRICS` that have their own function are measured too, on the scores.
        """
        metrics = self.own_metrics(scores, targets, mask, log_odds)
        for info in METRICS.values():
            if info.measure is None or (info.tasks and self.name not in info.tasks):
                continue
            value = info.measure(scores, targets, mask)
            if value.dim() > 0:
                metrics.per_class[info.name] = value.double().cpu()
            metrics.macro[info.name] = float(value.double().nanmean())
        return metrics

    def usable(self, mask: Tensor) -> Tensor:
        """Return the observed cells that can be used for training and tests, (N, C) bool.

        These are all observed cells. In a multi-class task they are the cells of the clips whose
        classes were all observed: the absence of one class does not say which class is present.

        Args:
            mask: True where the target was observed, (N, C) bool.
        """
        if self.one_class_per_clip:
            return mask.all(dim=1, keepdim=True).expand_as(mask)
        return mask

    def loss(self, chosen: Loss | None) -> Loss:
        """Return the chosen loss, or the default of the task if none is chosen.

        A loss from outside musicssl is returned without a check.

        Raises:
            InputError: If the chosen loss is for another kind of targets.
        """
        if chosen is None:
            return self.losses[0]
        function = chosen.func if isinstance(chosen, partial) else chosen
        of_all_tasks = {loss for task in TASKS for loss in task.losses}
        if function in of_all_tasks and function not in self.losses:
            fitting = " or ".join(f"loss={loss.__name__}" for loss in self.losses)
            raise InputError(
                f"loss={function.__name__} is not for targets of the kind {self.name}, which this "
                f"corpus has; choose {fitting}."
            )
        return chosen


def _regression(values: Tensor, targets: Tensor, mask: Tensor, log_odds: Tensor | None) -> Metrics:
    return regression_metrics(values, targets, mask)  # nothing is ranked


MULTI_LABEL = Task(
    "multi_label",
    SCORES["multi_label"],
    LOG_ODDS["multi_label"],
    (masked_bce, balanced_bce, partial_bce),
    multi_label_metrics,
)
MULTI_CLASS = Task(
    "multi_class",
    SCORES["multi_class"],
    LOG_ODDS["multi_class"],
    (cross_entropy, masked_bce),
    multi_class_metrics,
    one_class_per_clip=True,
)
REGRESSION = Task(
    "regression",
    SCORES["regression"],
    LOG_ODDS["regression"],
    (squared_error,),
    _regression,
    has_classes=False,
)
TASKS = (MULTI_LABEL, MULTI_CLASS, REGRESSION)


def task_named(name: str) -> Task:
    """Return the task with the name that `Corpus.task` has.

    Raises:
        InputError: If there is no such task.
    """
    for task in TASKS:
        if task.name == name:
            return task
    names = ", ".join(task.name for task in TASKS)
    raise InputError(f"there is no task {name!r}; choose one of: {names}.")
