"""All training clips in memory, for methods that draw a batch for each label separately."""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from musicssl.batch import Batch
from musicssl.evaluation.tasks import Task
from musicssl.methods.generative.summary import ClipSummary


class Answered(NamedTuple):
    """A batch of clips for each of M models.

    Attributes:
        x: Features, (M, B, D).
        y: Value of each model's label, (M, B) int64; arbitrary where it was not observed.
        known: True where it was observed, (M, B) bool.
    """

    x: Tensor
    y: Tensor
    known: Tensor


class TrainingClips:
    """Features and labels of all training clips, with the labels of M models.

    There is one model for each class, M = C, with the values 0 (absent) and 1 (present); in a
    multi-class task there is a single model, M = 1, whose values are the classes. A target counts
    as present from 0.5 up.

    Args:
        batches: The clips, with the labels that the run may see.
        summary: Computes the features of a clip; already fitted.
        task: Kind of the targets.
        device: Device of all tensors.
    """

    def __init__(
        self, batches: Iterable[Batch], summary: ClipSummary, task: Task, device: torch.device
    ) -> None:
        parts: list[tuple[Tensor, ...]] = []
        with torch.no_grad():
            for batch in batches:
                assert batch.rows is not None
                on_device = batch.to(device)
                parts.append((summary.of(on_device), *answers(on_device, task), batch.rows))
        self.x, self._y, self._known, rows = (torch.cat(p) for p in zip(*parts, strict=True))
        indices = torch.empty(int(rows.max()) + 1, dtype=torch.int64)
        indices[rows] = torch.arange(len(rows))
        self._indices = indices.to(device)  # index in `x` of each row of the corpus

    def of(self, rows: Tensor) -> Answered:
        """Return clips of the corpus, (M, B) int64, with the labels of each model."""
        indices = self._indices[rows]  # (M, B)
        models = torch.arange(len(rows), device=rows.device)[:, None]
        return Answered(self.x[indices], self._y[indices, models], self._known[indices, models])


def answer_shares(targets: Tensor, mask: Tensor, task: Task) -> Tensor:
    """Return the share of each value among the observed labels, with add-one smoothing, (M, K).

    Args:
        targets: (N, C).
        mask: True where observed, (N, C).
        task: What the targets are.
    """
    if task.one_class_per_clip:
        counts = targets.where(mask, 0).sum(dim=0, keepdim=True)  # (1, C)
    else:
        present = ((targets >= 0.5) & mask).sum(dim=0)
        counts = torch.stack([mask.sum(dim=0) - present, present], dim=1)  # (C, 2)
    return (counts + 1) / (counts + 1).sum(dim=1, keepdim=True)


def answers(batch: Batch, task: Task) -> tuple[Tensor, Tensor]:
    """Return the label of each model for each clip, and whether it was observed, (B, M) each."""
    if task.one_class_per_clip:
        return batch.y.argmax(dim=1, keepdim=True), batch.mask.all(dim=1, keepdim=True)
    return (batch.y >= 0.5).long(), batch.mask
