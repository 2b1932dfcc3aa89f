"""Standardisation by the clips that a probe learns from, and losses of its scores."""

from typing import NamedTuple

import torch
from torch import Tensor

from musicssl.evaluation.tasks import Task
from musicssl.probing.base import Embeddings
from musicssl.probing.linear import standardisation, varying
from musicssl.probing.solvers.labels import prior_scores

_LEAST = 1e-6  # lowest probability, with a loss of 13.8 nats


class Scales(NamedTuple):
    """Origin and unit of each feature, and of each target; float64.

    Attributes:
        mean: Offset of features, (D,).
        spread: Scale of features, (D,).
        level: Offset of targets, (C,).
        unit: Scale of targets, (C,).
    """

    mean: Tensor
    spread: Tensor
    level: Tensor
    unit: Tensor

    def features(self, h: Tensor) -> Tensor:
        """Standardise embeddings, (..., D)."""
        return (h - self.mean) / self.spread

    def targets(self, y: Tensor) -> Tensor:
        """Standardise targets, (..., C)."""
        return (y - self.level) / self.unit

    def values(self, targets: Tensor) -> Tensor:
        """Undo the standardisation of targets, (..., C)."""
        return self.level + self.unit * targets


def scales_of(clips: Embeddings, task: Task) -> Scales:
    """Return the scales of some clips.

    For features see `musicssl.probing.linear.standardisation`. For the targets of a regression they
    are mean and standard deviation of the observed values, so that the unit of a target has no
    effect; for classes they are 0 and 1. The unit of a target without two different values is 1,
    and the level of a target that was never observed is 0.
    """
    mean, spread = standardisation(clips.h.double())
    y, mask = clips.y.double(), clips.mask
    level, unit = torch.zeros_like(y[0]), torch.ones_like(y[0])
    if not task.has_classes:
        level = prior_scores(y, mask, task)
        squares = (y - level).where(mask, 0).square().sum(0)
        deviation = (squares / mask.sum(0).clamp_min(1)).sqrt()
        unit = deviation.where(varying(y, mask), unit)
    return Scales(mean, spread, level, unit)


def outputs_of(scores: Tensor, task: Task) -> Tensor:
    """Return outputs for given `Task.scores`, up to a constant for each clip, (..., C).

    Probabilities are clipped to [1e-6, 1 - 1e-6].
    """
    if not task.has_classes:
        return scores
    if task.one_class_per_clip:
        return scores.clamp_min(_LEAST).log()
    return scores.logit(eps=_LEAST)


def loss_of_scores(scores: Tensor, targets: Tensor, mask: Tensor, task: Task) -> float:
    """Return the natural loss of scores, all (N, C).

    If a clip has one class, its scores are first divided by their sum. Targets are arbitrary where
    not observed, even NaN.
    """
    return float(task.loss(None)(outputs_of(scores, task).float(), targets.float(), mask))
