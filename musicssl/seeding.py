"""Random numbers of a training step, reproducible after a resume."""

from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch


class StepSeed(pl.Callback):
    """Seed the generators before every training step from (seed, epoch, step, rank).

    Dropout and noise then need no generator state in the checkpoint: a resumed run draws the same
    numbers as an uninterrupted one.

    Args:
        seed: Seed of the run.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Seed the generators of the CPU and of this process's GPU."""
        seed = step_seed(self.seed, trainer.current_epoch, batch_idx, trainer.global_rank)
        seed_generators(seed, pl_module.device)


def step_seed(seed: int, epoch: int, step: int, rank: int = 0) -> int:
    """Return the seed of the generators in a training step of a run."""
    parts = (seed, epoch, step, rank)
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0])


def seed_generators(seed: int, device: torch.device) -> None:
    """Seed the default generators of the CPU and of a device."""
    # Not torch.manual_seed: without a GPU, every call queues another seeding of CUDA, together with
    # a stack trace, for the moment that CUDA is initialised.
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
