"""Oracle: a list of losses, whose least and whose patience are told by eye."""

import logging
import math
import warnings
from functools import partial

import pytest
import torch
from rich.progress import Progress
from torch.utils.data import DataLoader

from musicssl.errors import InputError
from musicssl.probing.finetuning.training import (
    BestEpoch,
    EpochsBar,
    epochs_progress,
    quiet_lightning,
    train_in_memory,
)
from tests.support.told import Told
from tests.support.training import quiet_trainer

pytestmark = pytest.mark.filterwarnings("ignore:The '.*_dataloader' does not have many workers")
NO_WORKERS = "ignore:The '.*_dataloader' does not have many workers"


def train(network, bar):
    one = torch.utils.data.DataLoader([torch.zeros(1)])
    cpu = torch.device("cpu")
    with quiet_lightning():
        return train_in_memory(network, one, one, bar, cpu, epochs=4, patience=2, seed=0)


@pytest.mark.parametrize(
    ("losses", "epoch"),
    [([5, 4, 3, 2, 1], 4), ([1, 2, 3], 0), ([3, 1, 2, 2], 1), ([4, 2, 3, 1, 5], 3)],
)
def test_the_network_is_left_as_its_best_epoch_was(tmp_path, monkeypatch, losses, epoch):
    monkeypatch.chdir(tmp_path)
    network, bar = Told(losses), EpochsBar(Progress(disable=True), total=8)
    best = train(network, bar)
    assert (best.epoch, best.loss) == (epoch, losses[epoch])
    assert network.weight.item() == epoch
    assert not network.training
    assert not list(tmp_path.iterdir())
    assert bar.progress.tasks[0].completed == 4  # those that were spared as well
    train(Told(losses), bar)
    assert bar.progress.finished


def test_a_loss_that_is_never_finite_is_an_error():
    with pytest.raises(InputError, match="never finite"):
        train(Told([math.nan] * 5), EpochsBar(Progress(disable=True), total=4))


def test_the_bar_is_shown_where_it_does_not_mix_with_results(capsys):
    with epochs_progress() as progress:
        train(Told([3, 2, 1, 0, 0]), EpochsBar(progress, total=4))
    shown = capsys.readouterr()
    assert "4/4" in shown.err
    assert shown.out == ""


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


def remarks():
    logging.getLogger("pytorch_lightning.utilities.rank_zero").info("GPU available: False")
    warnings.warn("Found 3 module(s) in eval mode at the start of training", stacklevel=1)
    warnings.warn("`isinstance(treespec, LeafSpec)` is deprecated", FutureWarning, stacklevel=1)


def test_remarks_are_kept_back_and_nothing_else(caplog, recwarn):
    warnings.simplefilter("always")
    with caplog.at_level(logging.INFO, "pytorch_lightning"):
        remarks()
        assert (len(caplog.records), len(recwarn)) == (1, 2)
        with quiet_lightning():
            remarks()
            assert (len(caplog.records), len(recwarn)) == (1, 2)
            logging.getLogger("pytorch_lightning").warning("the loss is not finite")
            warnings.warn("something else", stacklevel=1)
        assert (len(caplog.records), len(recwarn)) == (2, 3)


def test_an_error_does_not_leave_lightning_quiet():
    logger = logging.getLogger("pytorch_lightning")
    level, filters = logger.level, warnings.filters[:]
    with pytest.raises(ZeroDivisionError), quiet_lightning():
        1 / 0  # noqa: B018
    assert (logger.level, warnings.filters) == (level, filters)
