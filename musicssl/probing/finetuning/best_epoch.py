"""The epoch that validates best, kept in memory: for networks that leave no checkpoint."""

import math

import pytorch_lightning as pl
from torch import Tensor


class BestEpoch(pl.Callback):
    """Keep the weights with the least `val/loss`, and stop when no better ones come.

    The weights before the first step count as epoch 0 and may be the best, if the trainer
    validates them (`num_sanity_val_steps=-1`).

    Args:
        patience: Epochs without a better one after which training stops.

    Attributes:
        epoch: The best one; the first of several.
        loss: Of the validation clips then; infinite while none was finite.
        weights: The state of the module then, by name.
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
