"""A run that is stopped at any moment and started again ends with the same weights."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint as CheckpointCallback
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.utilities.exceptions import SIGTERMException

from musicssl.cache import discard
from musicssl.errors import InputError
from musicssl.evaluation.metrics import metric_info
from musicssl.runs.checkpoint import Checkpoint
from musicssl.runs.folder import RunFolder, check_same_data, previous_of

LAST = "last"  # in place of a metric: the last epoch is kept


class ResumeCheckpoint(CheckpointCallback):
    """Keep the state of the run in a file, written after each epoch and when it is asked to stop.

    The file before it stays beside it, in case that the last one is damaged.

    A run killed outright goes on from the last epoch, one stopped by SIGTERM from the step it had
    reached, if it was training then. Lightning runs checkpoints last, in their order: put this one
    behind the one that tracks the best epoch, so that it holds that state too.

    Args:
        path: Path of the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save after the epoch and its validation.

        An epoch that a limit of time or steps has cut is not saved: with a larger limit it is
        trained again, whole.
        """
        if trainer.fit_loop.epoch_loop.batch_idx + 1 >= trainer.num_training_batches:
            self._save(trainer)

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Save where a signal stopped the run, if it stopped between two training steps.

        From the last step of an epoch to the end of its validation, or before gradients that were
        accumulated have been used, the state is not whole: then the file of the epoch before stays,
        and the epoch is trained again to the same end. An error of any other kind may have left a
        step half done.
        """
        if not isinstance(exception, SIGTERMException) or not trainer.training:
            return
        steps = trainer.fit_loop.batch_idx + 1
        stepped = steps % trainer.accumulate_grad_batches == 0
        if stepped and steps < trainer.num_training_batches:
            self._save(trainer)

    def _save(self, trainer: pl.Trainer) -> None:
        new = self.path.with_name("next.ckpt")
        trainer.save_checkpoint(new)
        if trainer.is_global_zero:
            if self.path.is_file():
                previous = previous_of(self.path)
                if previous.is_dir():  # damage of some kind; a file cannot replace it
                    discard(previous)
                self.path.replace(previous)
            new.replace(self.path)


@dataclass(frozen=True)
class Resumable:
    """Where an interrupted run goes on.

    Attributes:
        path: The checkpoint; None to begin with the first epoch.
        damaged: Files that are of no use any more.
    """

    path: Path | None
    damaged: tuple[Path, ...] = ()


def find_resumable(folder: RunFolder, data: Mapping[str, str]) -> Resumable:
    """Choose the last checkpoint of a run that is whole.

    Without the best epoch so far, which cannot be trained again alone, the run begins again.

    Args:
        folder: Folder of the run.
        data: Hashes of what the run is made from now, by name.

    Raises:
        InputError: If the run was made from other data.
    """
    damaged: list[Path] = []
    for path in (folder.last, folder.previous):
        if not os.path.lexists(path):
            continue
        try:
            found = Checkpoint.read(path)
        except InputError:
            damaged.append(path)
            continue
        check_same_data(folder.path, found.data, data)
        if found.has_best and not _is_whole(folder.best):
            return Resumable(None, (*damaged, path, folder.previous, folder.best))
        return Resumable(path, tuple(damaged))
    return Resumable(None, (*damaged, folder.best) if damaged else ())


def _is_whole(path: Path) -> bool:
    try:
        Checkpoint.read(path)
    except InputError:
        return False
    return True


class BestCheckpoint(ModelCheckpoint):
    """Keep the epoch that validates best, on the whole validation set, in a file, or the last one.

    Epochs that were not validated, and those of a method that is `pretraining`, are not kept.

    Lightning forgets what the best epoch was when the run's folder has been moved; this does not.

    Args:
        path: Path of the file.
        metric: What is compared, by the name it is logged with: the least of a name that ends in
            "loss", the greatest of any other. "last" to compare nothing and keep the last epoch.
    """

    def __init__(self, path: Path, metric: str = "val/loss") -> None:
        compared = metric != LAST
        super().__init__(
            path.parent,
            filename=path.stem,
            monitor=metric if compared else None,
            mode="min" if compared and metric_info(metric).smaller_is_better else "max",
            enable_version_counter=False,
        )
        self._validated = False  # whether this epoch was

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Wait for the validation of this epoch."""
        self._validated = False

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep the epoch if it is the best so far.

        Raises:
            InputError: If there is no such metric.
        """
        self._validated = True
        logged = [name for name in trainer.callback_metrics if name.startswith("val/")]
        if self.monitor is not None and self.monitor not in logged:
            raise InputError(f"select={self.monitor} is not logged; choose {', '.join(logged)}.")
        if not _pretraining(pl_module):
            super().on_validation_end(trainer, pl_module)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep the epoch here if it was validated once; Lightning has it so."""
        if self._validated and not _pretraining(pl_module):
            super().on_train_epoch_end(trainer, pl_module)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the best epoch of a checkpoint, wherever its folder is now."""
        there, here = str(state_dict["dirpath"]), str(self.dirpath)
        super().load_state_dict({key: _moved(v, there, here) for key, v in state_dict.items()})


def _pretraining(method: pl.LightningModule) -> bool:
    return getattr(method, "pretraining", False)


def _moved(value: Any, there: str, here: str) -> Any:
    if isinstance(value, dict):
        return {_moved(key, there, here): item for key, item in value.items()}
    if isinstance(value, str) and value.startswith(there):
        return here + value.removeprefix(there)
    return value
