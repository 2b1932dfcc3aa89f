"""Metrics of multi-class tasks, in which each clip has one class.

Only clips whose classes were all observed count. The predicted class of a clip is that of its
greatest score (the first one if there are ties). Each class is evaluated as one against the rest;
accuracies are those of whole clips and have no value for a class.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from musicssl.evaluation.metrics import (
    Metrics,
    check_probabilities,
    macro,
    precision_recall_f1,
    ranking_metrics,
)


def multi_class_metrics(
    scores: Tensor, targets: Tensor, mask: Tensor, log_odds: Tensor | None = None
) -> Metrics:
    """Evaluate the scores of each class, and the predicted classes of all clips.

    Args:
        scores: Probabilities, (N, C) in [0, 1].
        targets: One-hot, (N, C); arbitrary where `mask` is False.
        mask: True where the target was observed, (N, C) bool.
        log_odds: What clips are ranked by, (N, C); see
            `musicssl.evaluation.metrics.per_class_metrics`.

    Returns:
        Per class: `precision`, `recall` and `f1` of the predicted classes (precision 0 for a class
        that is never predicted, all NaN for a class without a clip), `auroc` and
        `average_precision` of its scores against the rest as in
        `musicssl.evaluation.metrics.per_class_metrics`, and the counts `positives` and `observed`.
        Overall: their macro means, `accuracy`, the share of clips whose class is predicted, and
        `balanced_accuracy`, the mean recall of the classes that occur.

    Raises:
        InputError: If an observed score is not a probability.
    """
    ranks, _ = _labelled(scores if log_odds is None else log_odds, targets, mask)
    scores, truth = _labelled(scores, targets, mask)
    check_probabilities(scores)
    observed = torch.ones_like(truth)
    predicted = one_hot(scores.argmax(dim=1), scores.shape[1]).bool()  # (N, C)
    decisions = precision_recall_f1(predicted, truth, observed)
    per_class = {
        **decisions,
        **ranking_metrics(ranks, truth, observed),
        "positives": truth.sum(0).double(),
        "observed": observed.sum(0).double(),
    }
    overall = {
        "accuracy": _mean((predicted & truth).any(dim=1)),
        "balanced_accuracy": float(decisions["recall"].nanmean()),
    }
    return Metrics(per_class, macro(per_class) | overall)


def weighted_accuracy(scores: Tensor, targets: Tensor, mask: Tensor, credit: Tensor) -> float:
    """Return the mean credit of the predicted classes; NaN without an observed clip.

    This is the score of MIREX for keys, and of other tasks that give credit for near misses.

    Args:
        scores: (N, C).
        targets: One-hot, (N, C).
        mask: True where the target was observed, (N, C) bool.
        credit: `credit[i, j]` is the credit for the answer i if j is right, (C, C).
    """
    scores, truth = _labelled(scores, targets, mask)
    return _mean(credit.double()[scores.argmax(dim=1), truth.int().argmax(dim=1)])


def _labelled(scores: Tensor, targets: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Return scores and truth, both (N, C), of the clips whose class was observed."""
    labelled = mask.cpu().all(dim=1)
    return scores.detach().cpu()[labelled], targets.detach().cpu()[labelled] >= 0.5


def _mean(values: Tensor) -> float:
    return float(values.double().mean()) if len(values) else math.nan
