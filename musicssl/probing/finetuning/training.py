"""Training that ends with the best weights in memory and leaves no run behind."""

import pytorch_lightning as pl
import torch
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress

from musicssl.data.batches import BatchLoader
from musicssl.data.loaders import SplitLoader
from musicssl.errors import InputError
from musicssl.probing.finetuning.best_epoch import BestEpoch
from musicssl.seeding import StepSeed


class EpochsBar(pl.Callback):
    """Move a bar on by the epochs of many trainings, those that early stopping spared included.

    Args:
        progress: Where the bar is shown.
        total: Epochs of all trainings.
    """

    def __init__(self, progress: Progress, total: int) -> None:
        self.progress, self.bar = progress, progress.add_task("fine-tuning", total=total)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Count an epoch, or all that are left."""
        left = (trainer.max_epochs or 0) - trainer.current_epoch
        self.progress.advance(self.bar, left if trainer.should_stop else 1)


def progress_of_epochs() -> Progress:
    """Return where bars are shown that count epochs: on the standard error stream."""
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
    """Train a network and leave it on the device, in evaluation mode, as its best epoch was.

    Args:
        network: Logs `val/loss`.
        batches: To learn from.
        val_batches: To find the best epoch with.
        bar: Shows how far this is.
        device: To train on.
        epochs: At most.
        patience: Of `BestEpoch`.
        seed: Of what is random in a step.

    Returns:
        What that epoch was.

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
