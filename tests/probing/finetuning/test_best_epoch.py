"""Oracle: a list of losses, whose least and whose patience are told by eye."""

import math
from functools import partial

import pytest
import torch
from torch.utils.data import DataLoader

from musicssl.probing.finetuning.best_epoch import BestEpoch
from musicssl.probing.finetuning.quiet_lightning import quiet_lightning
from tests.support.told import Told
from tests.support.training import quiet_trainer

NO_WORKERS = "ignore:The '.*_dataloader' does not have many workers"


def trained(folder, losses, patience):
    module, best = Told(losses), BestEpoch(patience)
    one = partial(DataLoader, [torch.zeros(1)])
    with quiet_lightning():
        trainer = quiet_trainer(folder, max_epochs=5, callbacks=[best], num_sanity_val_steps=-1)
        trainer.fit(module, one(), one())
    assert trainer.global_step == module.weight.item()
    return best, trainer.global_step


@pytest.mark.filterwarnings(NO_WORKERS)
@pytest.mark.parametrize(
    ("losses", "epoch", "steps"),
    [
        ([3, 2, 1, 4, 4, 4], 2, 4),
        ([1, 2, 3, 4], 0, 2),
        ([3, 2, 2, 2], 1, 3),
        ([math.nan, 2, math.inf, math.nan, 1], 1, 3),
        ([5, 4, 3, 2, 1, 0], 5, 5),
    ],
)
def test_the_weights_of_the_least_loss_are_kept(tmp_path, losses, epoch, steps):
    best, taken = trained(tmp_path, losses, patience=2)
    assert (best.epoch, best.loss, taken) == (epoch, losses[epoch], steps)
    assert best.weights["weight"].item() == epoch


@pytest.mark.filterwarnings(NO_WORKERS)
def test_without_a_finite_loss_there_are_no_weights(tmp_path):
    best, taken = trained(tmp_path, [math.nan] * 6, patience=3)
    assert (best.weights, best.loss, taken) == ({}, math.inf, 3)
