"""Random numbers of a training step, reproducible after a resume."""

from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch


class StepSeed(pl.Callback):
    """Make what is random in a training step a function of (seed, epoch, step, rank).

    Dropout and noise then need no generator state in the checkpoint: a resumed run draws what the
    uninterrupted one would have drawn.

    Args:
        seed: Of the run.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Seed the generators of the CPU and of this process's GPU."""
        place = (self.seed, trainer.current_epoch, batch_idx, trainer.global_rank)
        seed = int(np.random.SeedSequence(place).generate_state(1, np.uint64)[0])
        # Not torch.manual_seed: on a machine without a GPU each call of it queues another one, with
        # a stack trace, for when there is one.
        torch.default_generator.manual_seed(seed)
        if pl_module.device.type == "cuda":
            torch.cuda.manual_seed(seed)
