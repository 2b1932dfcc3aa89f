"""A run that is stopped somewhere and taken up again, with all that train.py puts around it."""

from collections.abc import Callable
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.exceptions import SIGTERMException

from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.methods.base.method import Method
from musicssl.runs.checkpoint_writing import AtomicCheckpointIO, DescribeCheckpoint
from musicssl.runs.history import History, read_history
from musicssl.runs.resume import BestCheckpoint, ResumeCheckpoint
from musicssl.seeding import StepSeed
from tests.support.training import quiet_trainer


class StopAfter(pl.Callback):
    """Be stopped by a signal after a step of an epoch, or, without a step, in its validation."""

    def __init__(self, epoch: int, step: int | None):
        self.place = epoch, step

    def on_train_batch_end(self, trainer, method, outputs, batch, batch_idx):
        if self.place == (trainer.current_epoch, batch_idx):
            raise SIGTERMException

    def on_validation_batch_end(self, trainer, *_):
        if self.place == (trainer.current_epoch, None):
            raise SIGTERMException


def fit(
    folder: Path,
    method: Method,
    data: SemiSupervisedDataModule,
    max_epochs: int,
    *callbacks: pl.Callback,
    select: str = "val/loss",
) -> dict[str, torch.Tensor]:
    """Train in a folder, from where a run in it has come to; return all weights."""
    data.setup()
    last = folder / "checkpoints" / "last.ckpt"
    trainer = quiet_trainer(
        folder,
        max_epochs=max_epochs,
        enable_checkpointing=True,
        num_sanity_val_steps=0,
        callbacks=[
            *(StepSeed(0), History(folder / "history.csv"), *callbacks),
            DescribeCheckpoint({}, data.corpus.classes, data.sizes),
            *(BestCheckpoint(last.with_name("best.ckpt"), select), ResumeCheckpoint(last)),
        ],
        plugins=[AtomicCheckpointIO()],
    )
    resume = last if last.is_file() else None
    trainer.fit(method, data, ckpt_path=resume, weights_only=True)
    return method.state_dict()


def check_resuming(
    folder: Path,
    method: Callable[[], Method],
    data: Callable[[], SemiSupervisedDataModule],
    max_epochs: int,
    epoch: int,
    step: int | None,
) -> None:
    """Assert that a run stopped there ends with the bits of one that was left alone."""
    whole, stopped = folder / "whole", folder / "stopped"
    for run in (whole, stopped):
        run.mkdir()
    expected = fit(whole, method(), data(), max_epochs)
    with pytest.raises(SIGTERMException):
        fit(stopped, method(), data(), max_epochs, StopAfter(epoch, step))
    found = fit(stopped, method(), data(), max_epochs)
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor), name
    best = [
        torch.load(run / "checkpoints" / "best.ckpt", weights_only=True) for run in (whole, stopped)
    ]
    assert best[0]["epoch"] == best[1]["epoch"]
    for name, tensor in best[0]["state_dict"].items():
        assert torch.equal(best[1]["state_dict"][name], tensor), name
    rows = [read_history(run / "history.csv") for run in (whole, stopped)]
    assert len(rows[0]) == len(rows[1]) == max_epochs
    for theirs, ours in zip(*rows, strict=True):
        assert ours.keys() == theirs.keys()
        for name in ours:  # the training loss of the interrupted epoch is of its second half
            if not name.startswith("train/"):
                assert ours[name] == pytest.approx(theirs[name], rel=0, abs=0, nan_ok=True)


def validation_of(run: Path) -> list[dict[str, float]]:
    """Training losses apart: in the interrupted epoch they are means over its second half."""
    rows = read_history(run / "history.csv")
    return [{name: v for name, v in row.items() if not name.startswith("train/")} for row in rows]


class Stop(pl.Callback):
    """Be stopped by a signal at some place of the second epoch."""

    def __init__(self, place: str | None):
        self.place = place

    def stop(self, trainer: pl.Trainer, here: bool) -> None:
        if here and trainer.current_epoch == 1:
            raise SIGTERMException

    def on_validation_batch_end(self, trainer, *_):
        self.stop(trainer, self.place == "validation")

    def on_train_batch_end(self, trainer, method, outputs, batch, batch_idx):
        self.stop(trainer, self.place == f"step {batch_idx}")
