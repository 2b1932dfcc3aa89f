"""What a trained method says about every clip of a split, and how right it is."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from musicssl.batch import Batch
from musicssl.pooling import Instances


@dataclass(frozen=True, eq=False)
class Predictions:
    """The scores of a split's clips beside the truth, all arrays in the order of the clips.

    Attributes:
        classes: The name of each class, (C).
        clip_ids: (N,) str.
        scores: Probability of each class, (N, C) float32.
        targets: (N, C) float32.
        mask: True where the target was observed, (N, C) bool.
    """

    classes: tuple[str, ...]
    clip_ids: NDArray[np.str_]
    scores: NDArray[np.float32]
    targets: NDArray[np.float32]
    mask: NDArray[np.bool_]

    def save(self, path: Path) -> None:
        """Write everything to one .npz file that loads without pickle."""
        np.savez_compressed(
            path,
            classes=np.array(self.classes),
            clip_ids=self.clip_ids,
            scores=self.scores,
            targets=self.targets,
            mask=self.mask,
        )


@dataclass(frozen=True, eq=False)
class InstancePredictions:
    """What was decided about each instance.

    Attributes:
        scores: Probability of each class in the instance, (N, T, C) float32.
        weights: The instance's share in the clip's decision, (N, T, C) float32.
    """

    scores: NDArray[np.float32]
    weights: NDArray[np.float32]


class Scorer(Protocol):
    """A trained method: a network or anything else that gives probabilities."""

    def scores(self, batch: Batch) -> Tensor:
        """Return the probability of each class, (B, C)."""


class InstanceScorer(Protocol):
    """A trained method that judges instances too."""

    def instances(self, batch: Batch) -> Instances:
        """Return what is decided about each instance, and its weight."""


def predict_clips(
    method: Scorer,
    batches: Iterable[Batch],
    classes: tuple[str, ...],
    clip_ids: NDArray[np.str_],
) -> Predictions:
    """Score every clip once.

    Args:
        method: In evaluation mode.
        batches: The clips of a split in order.
        classes: Their classes.
        clip_ids: Their names, (N,).
    """
    scores, targets, mask = [], [], []
    with torch.inference_mode():
        for batch in batches:
            scores.append(method.scores(batch).float().cpu())
            targets.append(batch.y)
            mask.append(batch.mask)
    return Predictions(
        classes,
        clip_ids,
        torch.cat(scores).numpy(),
        torch.cat(targets).numpy(),
        torch.cat(mask).numpy(),
    )


def predict_instances(method: InstanceScorer, batches: Iterable[Batch]) -> InstancePredictions:
    """Judge every instance of every clip once."""
    scores, weights = [], []
    with torch.inference_mode():
        for batch in batches:
            logits, log_weights = method.instances(batch)
            scores.append(logits.float().sigmoid().cpu())
            weights.append(log_weights.float().exp().cpu())
    return InstancePredictions(torch.cat(scores).numpy(), torch.cat(weights).numpy())
