"""A run that is stopped at any moment and started again ends with the same weights."""

from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.utilities.exceptions import SIGTERMException


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


class ResumeCheckpoint(Checkpoint):
    """Keep the state of the run in one file, written after each epoch and when it is asked to stop.

    A run killed outright goes on from the last epoch, one stopped by SIGTERM from the step it had
    reached. Lightning runs checkpoints last, in their order: put this one behind the
    one that tracks the best epoch, so that it holds that state too.

    Args:
        path: Of the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save after the epoch and its validation."""
        trainer.save_checkpoint(self.path)

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Save where a signal stopped the run; an error may have left a step half done."""
        if isinstance(exception, SIGTERMException):
            trainer.save_checkpoint(self.path)
