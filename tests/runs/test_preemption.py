"""Runs whose job a scheduler is about to end. Oracle: a run that nobody stops."""

import os
import signal

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.exceptions import SIGTERMException

from musicssl.cli.exits import graceful_exit
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.methods.att import AttentionMIL
from musicssl.runs.preemption import Preemption, preemption
from musicssl.runs.ranks import StopTogether
from tests.support.interrupted import fit, validation_of
from tests.support.tiny import Tiny
from tests.support.training import supervised_parts

USED = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM)


@pytest.fixture(autouse=True)
def _signals():
    before = {number: signal.getsignal(number) for number in USED}
    yield
    preemption.number = None
    for number, handler in before.items():
        signal.signal(number, handler)


class Send(pl.Callback):
    """Send this process a signal within a step, or within the validation, of the second epoch."""

    def __init__(self, number: int, place: str):
        self.number, self.place = number, place

    def send(self, trainer, here):
        if here and trainer.current_epoch == 1:
            os.kill(os.getpid(), self.number)

    def on_before_backward(self, trainer, *_):
        self.send(trainer, self.place == "step" and trainer.fit_loop.batch_idx == 2)

    def on_validation_start(self, trainer, *_):
        self.send(trainer, self.place == "validation")


def trained(folder, *callbacks):
    torch.manual_seed(0)
    data = SemiSupervisedDataModule(Tiny(), batch_size=8)  # 11 steps an epoch
    return fit(folder, AttentionMIL(**supervised_parts()), data, 3, *callbacks)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    return folder, trained(folder)


@pytest.mark.parametrize("place", ["step", "validation"])
def test_a_run_that_is_preempted_goes_on_to_the_same_bits(tmp_path, undisturbed, place):
    preemption.install()
    with pytest.raises(SIGTERMException):
        trained(tmp_path, StopTogether(), Send(signal.SIGUSR1, place))
    assert preemption.number == signal.SIGUSR1
    saved = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    assert saved["global_step"] == {"step": 11 + 3, "validation": 11}[place]
    whole, expected = undisturbed
    found = trained(tmp_path)
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor), name
    assert validation_of(tmp_path) == validation_of(whole)


def test_a_job_of_submitit_is_queued_again_after_its_run_has_saved(tmp_path):
    saved = []
    signal.signal(
        signal.SIGUSR2, lambda *_: saved.append((tmp_path / "checkpoints" / "last.ckpt").is_file())
    )
    with pytest.raises(SIGTERMException):
        trained(tmp_path, StopTogether(), Send(signal.SIGUSR2, "step"))
    assert saved == []  # not in the middle of a step
    preemption.hand_on()
    assert saved == [True]


def test_the_status_says_that_the_job_is_to_be_queued_again(capsys):
    preemption.install()
    with pytest.raises(SystemExit) as ended, graceful_exit("runs/one"):
        os.kill(os.getpid(), signal.SIGUSR1)  # while decoding, say
    assert ended.value.code == 138
    assert capsys.readouterr().err == "Stopped; the same command continues runs/one.\n"
    preemption.hand_on()  # nobody else is there


def test_a_signal_that_somebody_answers_is_left_to_him():
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    Preemption().install()
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_IGN
