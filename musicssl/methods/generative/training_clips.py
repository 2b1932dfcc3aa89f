"""All training clips in memory, for methods that draw a batch for each label separately."""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from musicssl.batch import Batch
from musicssl.evaluation.tasks import Task
from musicssl.methods.generative.summary import ClipSummary


class Answered(NamedTuple):
    """Some clips of each of M models.

    Attributes:
        x: Features, (M, B, D).
        y: The answer to the question of each model, (M, B) int64; without meaning where not known.
        known: Whether it was observed, (M, B) bool.
    """

    x: Tensor
    y: Tensor
    known: Tensor


class TrainingClips:
    """Features of clips, and the answers to M questions about each that were observed.

    The questions are whether each class is present, M = C, with the answers 0 and 1; or, where a
    clip has one class, which it is, M = 1. A target counts as present from 0.5 up.

    Args:
        batches: The clips, with the labels that may be seen.
        summary: Of a clip, already fitted.
        task: What the targets are.
        device: To keep everything on.
    """

    def __init__(
        self, batches: Iterable[Batch], summary: ClipSummary, task: Task, device: torch.device
    ) -> None:
        parts: list[tuple[Tensor, ...]] = []
        with torch.no_grad():
            for batch in batches:
                assert batch.rows is not None
                here = batch.to(device)
                parts.append((summary.of(here), *answers(here, task), batch.rows))
        self.x, self._y, self._known, rows = (torch.cat(p) for p in zip(*parts, strict=True))
        places = torch.empty(int(rows.max()) + 1, dtype=torch.int64)
        places[rows] = torch.arange(len(rows))
        self._places = places.to(device)

    def of(self, rows: Tensor) -> Answered:
        """Return clips of the corpus, (M, B) int64, those of each model with its own answers."""
        places = self._places[rows]  # (M, B)
        models = torch.arange(len(rows), device=rows.device)[:, None]
        return Answered(self.x[places], self._y[places, models], self._known[places, models])


def answer_shares(targets: Tensor, mask: Tensor, task: Task) -> Tensor:
    """Return the share of each answer among those that are known, each counted once more, (M, K).

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
    """Return the answer to each question about each clip, and whether it is known, (B, M) each."""
    if task.one_class_per_clip:
        return batch.y.argmax(dim=1, keepdim=True), batch.mask.all(dim=1, keepdim=True)
    return (batch.y >= 0.5).long(), batch.mask
