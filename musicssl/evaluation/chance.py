"""Chance level: the metrics of the best constant prediction, which ignores the clip."""

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
    """Measure the best constant prediction from the training labels on the test clips.

    The prediction is the share of clips in which each class is present; in a multi-class task the
    most frequent class; in a regression the mean of each target. Then AUROC is 0.5, average
    precision the share of positive cells, accuracy that of the most frequent training class, and R²
    at most 0. The weighted accuracy uses another prediction: the class with the most credit on the
    training clips. A class or target without a training label is left out.

    Args:
        train_targets: Targets of the training clips, (M, C).
        train_mask: True where they were observed, (M, C) bool.
        test_targets: Targets of the test clips, (N, C).
        test_mask: True where they were observed, (N, C) bool.
        task: Kind of the targets.
        credit: Credit of answers, (C, C), see `Corpus`; with it, `weighted_accuracy` is measured.

    Returns:
        Overall metrics by name, those of `task.metrics`; NaN where no cell is left to measure.
    """
    train_mask = task.usable(train_mask)
    prediction = _constant_scores(train_targets, train_mask, task)
    test_mask = test_mask & train_mask.any(dim=0)
    metrics = task.metrics(prediction.expand(test_targets.shape), test_targets, test_mask).macro
    if credit is not None:
        credits = torch.from_numpy(credit)
        best = _constant_scores(train_targets @ credits.T.to(train_targets), train_mask, task)
        metrics["weighted_accuracy"] = weighted_accuracy(
            best.expand(test_targets.shape), test_targets, test_mask, credits
        )
    return metrics


def _constant_scores(targets: Tensor, mask: Tensor, task: Task) -> Tensor:
    """Return the scores that are predicted for every clip, (C,)."""
    if task.one_class_per_clip:
        frequency = targets.where(mask, 0).sum(dim=0)
        return one_hot(frequency.argmax(), len(frequency)).to(targets)
    values = (targets >= 0.5).to(targets) if task.has_classes else targets
    return values.where(mask, 0).sum(dim=0) / mask.sum(dim=0).clamp_min(1)
