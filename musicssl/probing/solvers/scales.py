"""The scales of the clips that a probe learns from, by which it sees all clips."""

from typing import NamedTuple

import torch
from torch import Tensor

from musicssl.evaluation.tasks import Task
from musicssl.probing.base import Embeddings
from musicssl.probing.linear import standardisation, varying
from musicssl.probing.solvers.labels import prior_scores


class Scales(NamedTuple):
    """Origin and unit of each feature, and of each target; float64.

    Attributes:
        mean: Of features, (D,).
        spread: Of features, (D,).
        level: Of targets, (C,).
        unit: Of targets, (C,).
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
        """Return targets, (..., C), as they were before they were standardised."""
        return self.level + self.unit * targets


def scales_of(clips: Embeddings, task: Task) -> Scales:
    """Return the scales of some clips.

    Features have those of `musicssl.probing.linear.standardisation`. Those of a regression's target
    are mean and standard deviation of its observed values, so that no unit of a target decides; 0
    and 1 for classes, which stay as they are. The unit of a target without two different values is
    1, the level of one that was never observed 0.
    """
    mean, spread = standardisation(clips.h.double())
    y, mask = clips.y.double(), clips.mask
    level, unit = torch.zeros_like(y[0]), torch.ones_like(y[0])
    if task.name == "regression":
        level = prior_scores(y, mask, task)
        squares = (y - level).where(mask, 0).square().sum(0)
        deviation = (squares / mask.sum(0).clamp_min(1)).sqrt()
        unit = deviation.where(varying(y, mask), unit)
    return Scales(mean, spread, level, unit)
