"""One progress bar for a whole training run."""

from collections.abc import Iterable
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import ProgressBar
from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from musicssl.evaluation.metrics import METRICS
from musicssl.runs.messages import planned_epochs

_MOST_METRICS = 2  # in the line of an epoch


class _Bar(Progress):
    """A bar, and beneath it lines that leave its width alone."""

    numbers = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        """Give the bar, then the numbers of the last epoch."""
        yield from super().get_renderables()
        if self.numbers:
            yield Text(self.numbers)


class EpochProgress(ProgressBar):
    """Show how far training is and how well it validates.

    On a terminal that is a bar with the time left, and beneath it the numbers of the last epoch;
    methods that learn embeddings have another line, of how these spread. Where the output is no
    terminal (a log file), the numbers are printed at each tenth of the epochs. Epochs are counted
    from 0, as in history.csv.
    """

    def __init__(self) -> None:
        super().__init__()
        self._console = Console()
        self._bar: _Bar | None = None
        self._is_enabled = True

    def enable(self) -> None:
        """Show progress."""
        self._is_enabled = True

    def disable(self) -> None:
        """Show nothing, as on all ranks but the first."""
        self._is_enabled = False

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin at the epoch that a resumed run has reached."""
        if not self._is_enabled or not self._console.is_terminal:
            return
        self._bar = _Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self._console,
            refresh_per_second=4,
        )
        self._task = self._bar.add_task("training", total=_total_steps(trainer))
        self._bar.start()

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Move on by a step."""
        if self._bar is not None:
            done = trainer.current_epoch * int(trainer.num_training_batches) + batch_idx + 1
            self._bar.update(self._task, completed=done)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Say how well the epoch validated."""
        text = _describe(trainer)
        if self._bar is not None:
            self._bar.numbers = text
        elif self._is_enabled and _is_a_tenth(trainer):
            self._console.print(text, highlight=False)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Leave the last line on the screen."""
        self._stop()

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Give the terminal back."""
        self._stop()

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _total_steps(trainer: pl.Trainer) -> float:
    return _epochs(trainer) * trainer.num_training_batches


def _epochs(trainer: pl.Trainer) -> int:
    return planned_epochs(trainer, trainer.num_training_batches)


def _is_a_tenth(trainer: pl.Trainer) -> bool:
    every = max(1, _epochs(trainer) // 10)
    return (trainer.current_epoch + 1) % every == 0


def _describe(trainer: pl.Trainer) -> str:
    logged = trainer.callback_metrics
    losses = [name for name in ("train/loss", "val/loss") if name in logged]
    in_progress = [f"val/{info.name}" for info in METRICS.values() if "progress" in info.shown_in]
    metrics = [name for name in in_progress if name in logged][:_MOST_METRICS]
    values = "  ".join(f"{name} {float(logged[name]):.3f}" for name in [*losses, *metrics])
    text = f"epoch {trainer.current_epoch}/{_epochs(trainer) - 1}  {values}"
    spread = [
        f"{info.heading} {float(logged[f'{split}/{info.name}']):.2f}"
        for info in METRICS.values()
        for split in ("train", "val")
        if info.kind == "embedding" and f"{split}/{info.name}" in logged
    ]
    return f"{text}\n  {'  '.join(spread)}" if spread else text
