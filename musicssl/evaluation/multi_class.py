"""How well scores agree with the one class that each clip has.

A clip counts if all its classes were observed, and is given the class of its greatest score (the
first of several). Each class is judged as one against the rest; accuracies are of whole clips and
belong to no class.
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


def multi_class_metrics(scores: Tensor, targets: Tensor, mask: Tensor) -> Metrics:
    """Judge each class, and the answers as a whole.

    Args:
        scores: Probabilities, (N, C) in [0, 1].
        targets: One-hot, (N, C); without meaning where `mask` is False.
        mask: True where the target was observed, (N, C) bool.

    Returns:
        By class `precision`, `recall` and `f1` of the answers (precision 0 for a class that is
        never answered, all NaN for one without a clip), `auroc` and `average_precision` of its
        scores against the rest as in `musicssl.evaluation.metrics.per_class_metrics`, and
        `positives`, `observed`. Overall their macro means, `accuracy`, the share of clips answered
        rightly, and `balanced_accuracy`, the mean recall of the classes that occur.

    Raises:
        InputError: If an observed score is no probability.
    """
    scores, truth = _known(scores, targets, mask)
    check_probabilities(scores)
    seen = torch.ones_like(truth)
    answers = one_hot(scores.argmax(dim=1), scores.shape[1]).bool()  # (N, C)
    decisions = precision_recall_f1(answers, truth, seen)
    per_class = {
        **decisions,
        **ranking_metrics(scores, truth, seen),
        "positives": truth.sum(0).double(),
        "observed": seen.sum(0).double(),
    }
    overall = {
        "accuracy": _mean((answers & truth).any(dim=1)),
        "balanced_accuracy": float(decisions["recall"].nanmean()),
    }
    return Metrics(per_class, macro(per_class) | overall)


def weighted_accuracy(scores: Tensor, targets: Tensor, mask: Tensor, credit: Tensor) -> float:
    """Return the mean credit of the answers; NaN without an observed clip.

    The score of MIREX for keys, and others that count near misses.

    Args:
        scores: (N, C).
        targets: One-hot, (N, C).
        mask: True where the target was observed, (N, C) bool.
        credit: `credit[i, j]` is what the answer i is worth where j is right, (C, C).
    """
    scores, truth = _known(scores, targets, mask)
    return _mean(credit.double()[scores.argmax(dim=1), truth.int().argmax(dim=1)])


def _known(scores: Tensor, targets: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Return scores and truth, both (N, C), of the clips whose class was observed."""
    known = mask.cpu().all(dim=1)
    return scores.detach().cpu()[known], targets.detach().cpu()[known] >= 0.5


def _mean(values: Tensor) -> float:
    return float(values.double().mean()) if len(values) else math.nan
