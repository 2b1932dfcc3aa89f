"""Ctrl-C while a run trains. Oracle: how far a run gets that counts its own steps."""

import io
import signal
import threading
import weakref

import pytest
import pytorch_lightning as pl
import torch

from musicssl.cli.exits import graceful_exit
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.methods.att import AttentionMIL
from musicssl.runs.checkpoint_writing import _save
from musicssl.runs.interruption import Interruption, interruption
from musicssl.runs.ranks import StopTogether
from tests.support.interrupted import fit
from tests.support.tiny import Tiny
from tests.support.training import supervised_parts


@pytest.fixture(autouse=True)
def _handler():
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)
    interruption.asked = False


class Interrupt(pl.Callback):
    """Send SIGINT where Python ignores what its handler raises: in a weak reference's callback."""

    def __init__(self, place, times=1):
        self.place, self.times, self.steps = place, times, 0

    def send(self, trainer, place):
        if place == self.place and trainer.current_epoch >= 1:
            for _ in range(self.times):
                thing = threading.Event()
                self.kept = weakref.ref(thing, lambda _: signal.raise_signal(signal.SIGINT))
                del thing

    def on_before_backward(self, trainer, *_):
        self.steps += 1
        if trainer.fit_loop.batch_idx == 2:
            self.send(trainer, "step")

    def on_validation_batch_start(self, trainer, *_):
        self.send(trainer, "validation")

    def on_train_end(self, trainer, *_):
        self.send(trainer, "end")


def trained(folder, epochs, *callbacks):
    folder.mkdir(exist_ok=True)
    torch.manual_seed(0)
    data = SemiSupervisedDataModule(Tiny(), batch_size=8)  # 11 steps an epoch
    with interruption.between_steps():
        return fit(folder, AttentionMIL(**supervised_parts()), data, epochs, *callbacks)


@pytest.mark.parametrize(("place", "steps"), [("step", 11 + 3), ("validation", 22), ("end", 22)])
def test_a_run_ends_after_the_step_in_which_it_was_interrupted(tmp_path, capsys, place, steps):
    sender = Interrupt(place)
    with pytest.raises(SystemExit) as ended, graceful_exit("runs/one"):
        trained(tmp_path, 3 if place != "end" else 2, sender, StopTogether())
    assert ended.value.code == 130
    assert sender.steps == steps
    assert capsys.readouterr().err.endswith("Stopped; the same command continues runs/one.\n")
    if place == "end":
        return
    found, expected = (trained(tmp_path / name, 3) for name in (".", "undisturbed"))
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor), name


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_a_stop_while_torch_writes_stays_what_it_is(stop):
    """torch then closes its archive, and fails with an error of its own."""

    class Stopping(io.BytesIO):
        def write(self, content):
            if len(content) > 1_000:
                raise stop
            return super().write(content)

    with pytest.raises(stop):
        _save({"weights": torch.ones(10_000)}, Stopping())


def test_a_second_interrupt_stops_at_once():
    def work():
        signal.raise_signal(signal.SIGINT)
        assert interruption.asked
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("it went on")

    with pytest.raises(KeyboardInterrupt), interruption.between_steps():
        work()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("handler", [signal.SIG_IGN, lambda number, frame: None])
def test_a_signal_that_others_answer_is_left_to_them(handler):
    signal.signal(signal.SIGINT, handler)
    with Interruption().between_steps():
        assert signal.getsignal(signal.SIGINT) is handler
