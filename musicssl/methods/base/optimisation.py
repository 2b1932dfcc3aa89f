"""The optimizer of a run: learning rates that depend on the layer, and on the step."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import pytorch_lightning as pl
import torch
from torch import nn

from musicssl.schedules import Schedule


def total_steps(trainer: pl.Trainer, steps_per_epoch: int) -> float:
    """Return the optimizer steps that a trainer allows, by epochs or by steps; perhaps infinite."""
    epochs, most_steps = trainer.max_epochs, trainer.max_steps
    limits = [most_steps] if most_steps >= 0 else []
    limits += [epochs * steps_per_epoch] if epochs is not None and epochs >= 0 else []
    return min(limits, default=math.inf)


def with_layer_decay(
    build: Callable[[Any], torch.optim.Optimizer],
    groups: Mapping[int, list[nn.Parameter]],
    decay: float,
) -> torch.optim.Optimizer:
    """Build an optimizer whose learning rate is smaller for layers far from the top.

    Args:
        build: Builds the optimizer from groups of parameters.
        groups: Parameters by their distance from the top; see `musicssl.networks.depth`.
        decay: The learning rate of a group is multiplied by `decay ** distance`.
    """
    optimizer = build([{"params": group} for group in groups.values()])
    for group, distance in zip(optimizer.param_groups, groups, strict=True):
        group["lr"] *= decay**distance
    return optimizer


def step_by_step(
    optimizer: torch.optim.Optimizer, schedule: Schedule, steps_per_epoch: int
) -> torch.optim.lr_scheduler.LambdaLR:
    """Return a schedule of the epoch, a fraction included, as one that changes at every step.

    Lightning advances schedules of whole epochs after it has written the checkpoint of the epoch,
    so a resumed run would be one epoch behind.

    Args:
        optimizer: To be scheduled.
        schedule: Maps the epochs trained so far to a factor of the learning rate.
        steps_per_epoch: Optimizer steps of an epoch.
    """
    return torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: schedule(step / steps_per_epoch)
    )
