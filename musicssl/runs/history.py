"""The course of training: one row of metrics for each epoch."""

import csv
import math
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from musicssl.errors import InputError


class History(pl.Callback):
    """Write what is logged once an epoch to a CSV file that grows during the run.

    The rows travel in the checkpoint, so a resumed run continues the file of the interrupted one
    without gap or repetition. The training loss of an epoch that was interrupted within is the mean
    over the steps after the interruption. If an epoch was not validated, its `val/` metrics are
    NaN.

    Args:
        path: Path of the CSV file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, float]] = []
        self._validated = False  # whether this epoch was

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Wait for the validation of this epoch."""
        self._validated = False

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Note that the epoch was validated."""
        self._validated = True

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Add the epoch that ends."""
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        if not self._validated:  # Lightning still holds the metrics of the last validation
            metrics |= {name: math.nan for name in metrics if name.startswith("val/")}
        self.rows.append({"epoch": trainer.current_epoch, **metrics})
        if trainer.is_global_zero:
            self._write()

    def state_dict(self) -> dict[str, Any]:
        """Return all rows, for a checkpoint."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the rows of a checkpoint."""
        self.rows = list(state_dict["rows"])

    def _write(self) -> None:
        names = list(dict.fromkeys(name for row in self.rows for name in row))
        part = self.path.with_name(f".{self.path.name}.part")
        with part.open("w", newline="") as file:
            writer = csv.DictWriter(file, names, restval=math.nan)  # not validated yet
            writer.writeheader()
            writer.writerows(self.rows)
        part.replace(self.path)


def read_history(path: Path) -> list[dict[str, float]]:
    """Read the rows that `History` wrote."""
    with path.open(newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def check_convergence(path: Path) -> None:
    """Refuse a run in which the loss left the finite numbers, however well it ended.

    Args:
        path: Path of the CSV file; there is none if no epoch was trained.

    Raises:
        InputError: If so in any epoch, now or before an interruption.
    """
    for row in read_history(path) if path.is_file() else ():
        loss = row.get("train/loss", 0.0)  # a method from elsewhere need not log one
        if not math.isfinite(loss):
            raise InputError(
                f"training diverged, the loss was {loss} in epoch {row['epoch']:.0f}; try a "
                "smaller optimizer.lr."
            )
