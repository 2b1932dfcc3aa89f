"""The teacher: an average of a network over its own training."""

import copy
from typing import Literal

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from musicssl.batch import Batch
from musicssl.errors import InputError
from musicssl.networks.pooling import Instances

BatchNormRule = Literal["own", "copied", "averaged"]


class Teacher(nn.Module):
    """Keep the exponential moving average of a student's weights.

    Tarvainen and Valpola 2017, https://arxiv.org/abs/1703.01780: after the n-th step,
    teacher = a * teacher + (1 - a) * student with a = min(1 - 1 / (n + 1), decay). Until n reaches
    decay / (1 - decay) that is the plain mean of all weights so far, the initial ones included. The
    authors start the teacher from random weights of its own; ours starts as the student does.

    Batch norms, which the paper leaves open, follow `batch_norm`: "own" is what the authors' code
    does. A teacher that only evaluates sees no batch to take statistics from; it needs another.

    Args:
        student: The network to average; it is copied.
        decay: Greatest a, in [0, 1]; 0 makes the teacher the student.
        batch_norm: "averaged" and "copied": the teacher normalises with the moving average of the
            student's running statistics, or with these themselves, at all times. "own": while
            teaching, with the statistics of the batch that it sees itself; it keeps running ones of
            its own for evaluation.
        dropout: Whether dropout is active while teaching, as in the paper.

    Raises:
        InputError: If a setting is not one of these.
    """

    def __init__(
        self,
        student: nn.Module,
        decay: float = 0.999,
        batch_norm: BatchNormRule = "averaged",
        dropout: bool = True,
    ) -> None:
        super().__init__()
        if not 0 <= decay <= 1:
            raise InputError(f"teacher.decay must be in [0, 1], got {decay:g}.")
        if batch_norm not in ("own", "copied", "averaged"):
            raise InputError(
                f"teacher.batch_norm must be own, copied or averaged, got {batch_norm!r}."
            )
        self.decay = decay
        self.batch_norm = batch_norm
        self.dropout = dropout
        self.average = copy.deepcopy(student).requires_grad_(False)
        self.train(self.training)

    def forward(self, batch: Batch) -> Tensor:
        """Return what the average makes of a batch: of a `Classifier`, logits, (B, C)."""
        logits: Tensor = self.average(batch)
        return logits

    def instances(self, batch: Batch) -> Instances:
        """Return what is decided about each instance, if the student is a `Classifier`."""
        instances: Instances = self.average.instances(batch)  # type: ignore[operator]
        return instances

    def train(self, mode: bool = True) -> "Teacher":
        """Switch between teaching and evaluation."""
        super().train(mode)
        for module in self.average.modules():
            is_norm = hasattr(module, "running_mean")
            module.training = mode and (self.batch_norm == "own" if is_norm else self.dropout)
        return self

    @torch.no_grad()
    def update(self, student: nn.Module, steps: int) -> None:
        """Take in the student's weights.

        Args:
            student: As it is after an optimizer step.
            steps: Optimizer steps taken so far, from 1 up: not the batches, of which several make
                a step when gradients accumulate.
        """
        decay = min(1 - 1 / (steps + 1), self.decay)
        average = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        average(list(self.average.parameters()), list(student.parameters()), steps)
        if self.batch_norm == "own":
            return
        pairs = list(zip(self.average.buffers(), student.buffers(), strict=True))
        for mine, theirs in pairs:
            if self.batch_norm == "averaged" and mine.is_floating_point():
                average([mine], [theirs], steps)
            else:  # the number of batches is a count: an average of it means nothing
                mine.copy_(theirs)
