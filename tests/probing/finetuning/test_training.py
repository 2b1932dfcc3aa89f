"""Oracle: a list of losses, whose least and whose patience are told by eye."""

import math

import pytest
import torch
from rich.progress import Progress

from musicssl.errors import InputError
from musicssl.probing.finetuning.quiet_lightning import quiet_lightning
from musicssl.probing.finetuning.training import EpochsBar, progress_of_epochs, train_in_memory
from tests.support.told import Told

pytestmark = pytest.mark.filterwarnings("ignore:The '.*_dataloader' does not have many workers")


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
    with progress_of_epochs() as progress:
        train(Told([3, 2, 1, 0, 0]), EpochsBar(progress, total=4))
    shown = capsys.readouterr()
    assert "4/4" in shown.err
    assert shown.out == ""
