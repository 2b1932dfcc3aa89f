import copy
import math
from functools import partial

import pytest
import pytorch_lightning as pl
import torch

from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.encoders.att import AttEmbedding
from musicssl.errors import InputError
from musicssl.losses.masked_bce import masked_bce
from musicssl.methods.att import AttentionMIL
from musicssl.networks.pooling import AttentionPooling
from musicssl.runs.history import History, check_convergence, read_history
from musicssl.schedules import constant
from tests.support.tiny import Tiny


class Witness(pl.Callback):
    """Notes what the method says of the validation clips at the end of each epoch."""

    def __init__(self):
        self.losses = []

    def on_validation_end(self, trainer, pl_module):
        clips = trainer.datamodule.clips("val")
        pl_module.eval()
        with torch.no_grad():
            self.losses.append(masked_bce(pl_module(clips), clips.y, clips.mask).item())
        pl_module.train()


def fit(folder, callbacks, **settings):
    torch.manual_seed(0)
    method = AttentionMIL(
        encoder=partial(AttEmbedding, dropout=0.0),
        pooling=AttentionPooling,
        loss=masked_bce,
        optimizer=partial(torch.optim.Adam, lr=1e-2),
        schedule=constant,
        num_features=8,
        num_instances=5,
        num_classes=3,
    )
    trainer = pl.Trainer(
        **(
            {
                "accelerator": "cpu",
                "logger": False,
                "enable_checkpointing": False,
                "enable_progress_bar": False,
                "enable_model_summary": False,
                "num_sanity_val_steps": 0,
                "default_root_dir": folder,
                "callbacks": callbacks,
            }
            | settings
        )
    )
    trainer.fit(method, SemiSupervisedDataModule(Tiny(), batch_size=16))


def test_each_epoch_has_its_row_of_losses_and_metrics(tmp_path):
    path, witness = tmp_path / "history.csv", Witness()
    fit(tmp_path, [History(path), witness], max_epochs=3)
    rows = read_history(path)
    assert [row["epoch"] for row in rows] == [0, 1, 2]
    assert [row["val/loss"] for row in rows] == pytest.approx(witness.losses, rel=1e-5)
    assert {"train/loss", "val/loss", "val/auroc", "val/f1"} <= set(rows[0])
    assert len({row["train/loss"] for row in rows}) == 3


def test_epochs_without_validation_have_no_number_for_it(tmp_path):
    path = tmp_path / "history.csv"
    fit(tmp_path, [History(path)], max_epochs=2, check_val_every_n_epoch=2)
    first, second = read_history(path)
    assert math.isnan(first["val/loss"])
    assert second["val/loss"] > 0


class OutOfTime(pl.Callback):
    """Asks to stop after a step, as Lightning does when a run is out of time."""

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        trainer.should_stop = batch_idx == 1


def test_an_epoch_that_is_cut_short_has_its_losses(tmp_path):
    path, witness = tmp_path / "history.csv", Witness()
    fit(tmp_path, [History(path), OutOfTime(), witness], max_epochs=3)
    [row] = read_history(path)
    assert math.isfinite(row["train/loss"])
    assert row["val/loss"] == pytest.approx(witness.losses[0], rel=1e-5)


def test_an_epoch_that_ends_without_validation_does_not_repeat_the_one_before(tmp_path):
    path = tmp_path / "history.csv"
    fit(tmp_path, [History(path)], max_epochs=3, max_steps=8)  # an epoch has 6 steps
    first, second = read_history(path)
    assert math.isfinite(first["val/loss"])
    assert math.isnan(second["val/loss"])
    assert math.isfinite(second["train/loss"])
    assert second["train/loss"] != first["train/loss"]


def test_a_run_without_a_training_loss_cannot_be_seen_to_diverge(tmp_path):
    path = tmp_path / "history.csv"
    path.write_text("epoch,val/loss\n0,0.5\n")
    check_convergence(path)
    path.write_text("epoch,train/loss\n0,0.5\n1,nan\n")
    with pytest.raises(InputError, match="diverged, the loss was nan in epoch 1"):
        check_convergence(path)


def test_a_resumed_history_goes_on_behind_the_rows_of_its_checkpoint(tmp_path):
    whole = History(tmp_path / "whole.csv")
    fit(tmp_path, [whole], max_epochs=2)
    state = copy.deepcopy(whole.state_dict())
    resumed = History(tmp_path / "resumed.csv")
    resumed.load_state_dict(state)
    fit(tmp_path, [resumed], max_epochs=1)
    rows = read_history(resumed.path)
    assert rows[:2] == read_history(whole.path)
    assert len(rows) == 3
    assert state == whole.state_dict()  # a checkpoint's rows are not written to
