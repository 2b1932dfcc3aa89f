"""Training that keeps the best weights in memory and writes no run folder."""

import logging
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import pytorch_lightning as pl
import torch
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress
from torch import Tensor

from musicssl.data.batches import BatchLoader
from musicssl.data.loaders import SplitLoader
from musicssl.errors import InputError
from musicssl.seeding import StepSeed


class BestEpoch(pl.Callback):
    """Keep the weights with the lowest `val/loss` in memory, and stop training early.

    The weights before the first step count as epoch 0 and may be the best, if the trainer
    validates them (`num_sanity_val_steps=-1`).

    Args:
        patience: Number of epochs without an improvement after which training stops.

    Attributes:
        epoch: The best epoch; the first of several.
        loss: Its validation loss; infinite as long as no loss was finite.
        weights: The state of the module at that epoch, by name.
    """

    def __init__(self, patience: int) -> None:
        self.patience = patience
        self.epoch, self.loss = 0, math.inf
        self.weights: dict[str, Tensor] = {}

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Compare an epoch with the best one so far."""
        epoch = 0 if trainer.sanity_checking else trainer.current_epoch + 1
        loss = float(trainer.callback_metrics["val/loss"])
        if loss < self.loss:
            self.epoch, self.loss = epoch, loss
            self.weights = {name: t.clone() for name, t in pl_module.state_dict().items()}
        trainer.should_stop = epoch - self.epoch >= self.patience


class EpochsBar(pl.Callback):
    """Advance a progress bar by the epochs of many trainings, including those not trained.

    When a training stops early, its remaining epochs count as done.

    Args:
        progress: Progress display of the bar.
        total: Number of epochs of all trainings.
    """

    def __init__(self, progress: Progress, total: int) -> None:
        self.progress, self.bar = progress, progress.add_task("fine-tuning", total=total)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Count an epoch, or after early stopping all remaining ones."""
        remaining = (trainer.max_epochs or 0) - trainer.current_epoch
        self.progress.advance(self.bar, remaining if trainer.should_stop else 1)


def epochs_progress() -> Progress:
    """Return a progress display for epochs, on the standard error stream."""
    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    return Progress(*columns, console=Console(stderr=True))


def train_in_memory(
    network: pl.LightningModule,
    batches: BatchLoader,
    val_batches: SplitLoader,
    bar: EpochsBar,
    device: torch.device,
    *,
    epochs: int,
    patience: int,
    seed: int,
) -> BestEpoch:
    """Train a network and return it to its best epoch, in evaluation mode, on the device.

    Args:
        network: Logs `val/loss`.
        batches: Training batches.
        val_batches: Validation batches, to find the best epoch.
        bar: Progress bar.
        device: Device for training.
        epochs: Maximum number of epochs.
        patience: Patience of `BestEpoch`.
        seed: Seed of the random numbers of a step.

    Returns:
        The best epoch.

    Raises:
        InputError: If no epoch had a finite loss.
    """
    best = BestEpoch(patience)
    trainer = pl.Trainer(
        accelerator=device.type,
        devices=1 if device.index is None else [device.index],
        max_epochs=epochs,
        callbacks=[StepSeed(seed), best, bar],
        num_sanity_val_steps=-1,  # all clips, as epoch 0
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(network.train(), batches, val_batches)
    if not best.weights:
        raise InputError(
            "the loss of the validation clips was never finite; probe an encoder whose training "
            "did not diverge."
        )
    network.load_state_dict(best.weights)
    network.to(device).eval()  # Lightning has moved it to the CPU
    return best


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Suppress Lightning's messages about devices, modules in evaluation mode and its imports."""
    logger = logging.getLogger("pytorch_lightning")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*in eval mode at the start of training")
            warnings.filterwarnings("ignore", ".*LeafSpec")  # deprecation in torch
            yield
    finally:
        logger.setLevel(level)
