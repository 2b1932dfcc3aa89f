"""The teacher: a moving average of a student network."""

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
    decay / (1 - decay) this is the plain mean of all weights so far, including the initial ones.
    The authors initialise the teacher with other random weights; ours starts as a copy of the
    student.

    The paper does not say how to treat batch norms; see `batch_norm`. The authors' code is "own".
    A teacher that is only evaluated gets no training batch for its own statistics and needs one of
    the others.

    Args:
        student: The network to average; it is copied.
        decay: Largest a, in [0, 1]; with 0 the teacher equals the student.
        batch_norm: "averaged": the teacher always normalises with the moving average of the
            student's running statistics. "copied": with the student's running statistics
            themselves. "own": with the statistics of the current batch while teaching, and with its
            own running statistics in evaluation.
        dropout: Whether dropout is active while teaching, as in the paper.

    Raises:
        InputError: If a setting is invalid.
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
        """Return the output of the average network: for a `Classifier`, logits, (B, C)."""
        logits: Tensor = self.average(batch)
        return logits

    def instances(self, batch: Batch) -> Instances:
        """Return the logits and weights of the instances, if the student is a `Classifier`."""
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
        """Update the average with the student's weights.

        Args:
            student: The student after an optimizer step.
            steps: Number of optimizer steps so far, 1 or more; with accumulated gradients this is
                not the number of batches.
        """
        decay = min(1 - 1 / (steps + 1), self.decay)
        average = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        average(list(self.average.parameters()), list(student.parameters()), steps)
        if self.batch_norm == "own":
            return
        pairs = list(zip(self.average.buffers(), student.buffers(), strict=True))
        for teacher_buffer, student_buffer in pairs:
            if self.batch_norm == "averaged" and teacher_buffer.is_floating_point():
                average([teacher_buffer], [student_buffer], steps)
            else:  # also `num_batches_tracked`: the average of a count would be meaningless
                teacher_buffer.copy_(student_buffer)
