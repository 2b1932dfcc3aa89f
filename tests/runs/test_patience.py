"""Training ends after epochs without a better one, also when it was interrupted."""

import pytest
import torch
from pytorch_lightning.utilities.exceptions import SIGTERMException

from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.methods.att import AttentionMIL
from musicssl.runs.history import read_history
from musicssl.runs.patience import Patience
from tests.support.interrupted import StopAfter, fit
from tests.support.quick import slow_after
from tests.support.tiny import Tiny
from tests.support.training import supervised_parts

EPOCHS = 60


class Scripted(AttentionMIL):
    """Logs a validation loss that is given for each epoch."""

    losses = (0.9, 0.8, 0.85, 0.7, 0.75, 0.71, 0.72, *[0.9] * EPOCHS)

    def evaluate(self, outputs, targets, mask):
        self.log("val/loss", self.losses[self.current_epoch])


def module():
    return SemiSupervisedDataModule(Tiny(), batch_size=42)


@pytest.mark.parametrize(
    ("patience", "epochs"), slow_after(3, [(1, 3), (2, 6), (3, 7), (EPOCHS, EPOCHS)])
)
def test_training_ends_after_so_many_epochs_without_a_better_one(tmp_path, patience, epochs):
    """Oracle: count in the losses above."""
    fit(tmp_path, Scripted(**supervised_parts()), module(), EPOCHS, Patience("val/loss", patience))
    assert len(read_history(tmp_path / "history.csv")) == epochs


@pytest.mark.parametrize("place", [(4, 0), (5, 1), (6, None)])
def test_a_run_that_was_stopped_ends_in_the_same_epoch_with_the_same_bits(tmp_path, place):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    whole.mkdir()
    stopped.mkdir()

    def train(folder, *callbacks):
        torch.manual_seed(0)
        method = Scripted(**supervised_parts())
        return fit(folder, method, module(), EPOCHS, Patience("val/loss", 3), *callbacks)

    expected = train(whole)
    with pytest.raises(SIGTERMException):
        train(stopped, StopAfter(*place))
    found = train(stopped)
    assert all(tensor.equal(found[name]) for name, tensor in expected.items())
    rows = [read_history(run / "history.csv") for run in (whole, stopped)]
    assert len(rows[0]) == len(rows[1])  # train/loss of a cut epoch covers its last steps alone


def test_a_run_without_patience_left_trains_no_further(tmp_path):
    for _ in range(2):  # the second time as if killed before its results were written
        method = Scripted(**supervised_parts())
        fit(tmp_path, method, module(), EPOCHS, Patience("val/loss", 2))
        assert len(read_history(tmp_path / "history.csv")) == 6
