"""The score of the best constant answer: what a model reaches that ignores the clip."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import one_hot

from musicssl.evaluation.multi_class import weighted_accuracy
from musicssl.evaluation.tasks import Task


def chance(
    train_targets: Tensor,
    train_mask: Tensor,
    test_targets: Tensor,
    test_mask: Tensor,
    task: Task,
    credit: NDArray[np.floating] | None = None,
) -> dict[str, float]:
    """Measure the best constant answer, worked out from the training labels, on the test clips.

    That answer is the share of clips in which each class is present; the most frequent class where
    a clip has one; the mean of each target in a regression. So AUROC is 0.5, average precision the
    share of present cells, accuracy that of the most frequent training class, and R² at most 0.
    The weighted accuracy is that of another answer: the class that earns the most credit on the
    training clips. A class or target without a training label is left out.

    Args:
        train_targets: (M, C).
        train_mask: True where they were observed, (M, C) bool.
        test_targets: (N, C).
        test_mask: True where they were observed, (N, C) bool.
        task: What the targets are.
        credit: What answers are worth, (C, C), see `Corpus`; `weighted_accuracy` is measured too.

    Returns:
        Overall metrics by name, as `task.metrics` has them; NaN where nothing remains to measure.
    """
    train_mask = task.usable(train_mask)
    answer = _answer(train_targets, train_mask, task)
    answered = test_mask & train_mask.any(dim=0)
    metrics = task.metrics(answer.expand(test_targets.shape), test_targets, answered).macro
    if credit is not None:
        worth = torch.from_numpy(credit)
        earns = _answer(train_targets @ worth.T.to(train_targets), train_mask, task)
        metrics["weighted_accuracy"] = weighted_accuracy(
            earns.expand(test_targets.shape), test_targets, answered, worth
        )
    return metrics


def _answer(targets: Tensor, mask: Tensor, task: Task) -> Tensor:
    """Return the scores that every clip is given, (C,)."""
    if task.one_class_per_clip:
        frequency = targets.where(mask, 0).sum(dim=0)
        return one_hot(frequency.argmax(), len(frequency)).to(targets)
    values = (targets >= 0.5).to(targets) if task.has_classes else targets
    return values.where(mask, 0).sum(dim=0) / mask.sum(dim=0).clamp_min(1)
