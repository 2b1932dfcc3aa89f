"""Losses and validation metrics over the epochs, and which epoch was kept."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from musicssl.figures.run_figures import draw_curves
from musicssl.runs.artifacts.artifact import TrainedRun
from musicssl.runs.checkpoint import Checkpoint
from musicssl.runs.folder import RunFolder
from musicssl.runs.history import read_history


class TrainingCurves:
    """The picture training.png, of the losses that the method names in `loss_curves`."""

    def write(self, run: TrainedRun) -> Mapping[str, Any]:
        """Draw the curves; return the epoch that was kept."""
        best = Checkpoint.read(run.folder.best).epoch
        rows = read_history(run.folder.history)
        draw_curves(run.folder.figures, rows, best, run.method.loss_curves)
        return {"best_epoch": best}

    def show(self, folder: RunFolder, document: Mapping[str, Any], console: Console) -> None:
        """Print nothing."""
