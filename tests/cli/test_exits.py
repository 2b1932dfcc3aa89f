import os
import signal
import subprocess
import sys
import threading
import time
import weakref

import numpy as np
import pytest
from pytorch_lightning.utilities.exceptions import SIGTERMException

from musicssl.cli.exits import Termination, graceful_exit, signals_heard
from musicssl.errors import InputError, user_errors
from musicssl.runs.preemption import preemption
from tests.support.commands import ROOT, SEARCH_PATH


def like_lightning():
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt:
        sys.exit(1)


def by(exception):
    def stop():
        raise exception

    return stop


@pytest.mark.parametrize(
    ("stop", "status"),
    [(by(SIGTERMException()), 143), (by(KeyboardInterrupt()), 130), (like_lightning, 130)],
)
def test_a_stop_is_said_to_lose_nothing(capsys, stop, status):
    with pytest.raises(SystemExit) as exit_, graceful_exit("runs/one"):
        stop()
    assert exit_.value.code == status
    assert capsys.readouterr().err == "Stopped; the same command continues runs/one.\n"


def test_another_exit_is_left_alone(capsys):
    with pytest.raises(SystemExit) as exit_, graceful_exit("runs/one"):
        sys.exit(2)
    assert exit_.value.code == 2
    assert capsys.readouterr().err == ""


def in_a_finally(number):
    """Fail in the `finally` of a library that a signal interrupts, and say it in other words."""
    try:
        try:
            signal.raise_signal(number)
        finally:
            None.flags  # noqa: B018
    except AttributeError as error:
        raise InputError("the settings cannot be resolved") from error


class File:
    """Sends a signal while numpy checks its class; numpy then says that this is no path."""

    def __init__(self, number):
        self.number = number

    @property
    def __class__(self):
        signal.raise_signal(self.number)


def in_c_code(number):
    with pytest.raises(TypeError, match="not File") as raised:
        np.fromfile(File(number))
    assert raised.value.__context__ is None
    raise raised.value


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGUSR1])
@pytest.mark.parametrize("fail", [in_a_finally, in_c_code])
def test_a_library_that_fails_as_it_is_interrupted_was_stopped(capsys, preemptible, fail, number):
    with pytest.raises(SystemExit) as exit_, user_errors(), graceful_exit("runs/one"):
        fail(number)
    assert exit_.value.code == 128 + number
    assert capsys.readouterr().err == "Stopped; the same command continues runs/one.\n"


def mistake():
    raise InputError("the settings cannot be resolved")


def test_an_error_without_a_signal_is_told(capsys):
    with pytest.raises(SystemExit) as exit_, user_errors(), graceful_exit("runs/one"):
        mistake()
    assert exit_.value.code == 2
    assert capsys.readouterr().err == "error: the settings cannot be resolved\n"


def test_a_signal_of_an_earlier_command_does_not_count(capsys):
    with pytest.raises(SystemExit), graceful_exit("runs/one"):
        signal.raise_signal(signal.SIGINT)
    with pytest.raises(SystemExit) as exit_, user_errors(), graceful_exit("runs/two"):
        mistake()
    assert exit_.value.code == 2


def test_the_handler_of_ctrl_c_is_restored():
    before = signal.getsignal(signal.SIGINT)
    with signals_heard(), signals_heard():
        assert signal.getsignal(signal.SIGINT) != before
    assert signal.getsignal(signal.SIGINT) == before


@pytest.fixture
def preemptible():
    before = signal.getsignal(signal.SIGUSR1)
    preemption.install()
    yield
    preemption.number = None
    signal.signal(signal.SIGUSR1, before)


class Finalised:
    """Sends this process a signal when it is taken away, where Python ignores exceptions."""

    def __init__(self, number):
        self.number = number

    def __del__(self):
        signal.raise_signal(self.number)


def weakly_referenced(number):
    """Return something at whose end the callback of a weak reference sends a signal."""
    thing = threading.Event()
    KEPT.append(weakref.ref(thing, lambda _: signal.raise_signal(number)))
    return thing


KEPT = []


def take_away(thing):
    del thing
    time.sleep(10)  # it is not slept to the end
    raise AssertionError("the signal was lost")


@pytest.mark.parametrize("make", [Finalised, weakly_referenced])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGUSR1])
def test_a_signal_that_python_ignores_is_sent_again(capsys, preemptible, make, number):
    with pytest.raises(SystemExit) as exit_, graceful_exit("runs/one"):
        take_away(make(number))
    assert exit_.value.code == 128 + number
    assert capsys.readouterr().err == "Stopped; the same command continues runs/one.\n"


def test_another_exception_in_a_finaliser_is_told_as_ever(monkeypatch):
    told = []
    monkeypatch.setattr(sys, "unraisablehook", lambda ignored: told.append(ignored.exc_type))
    with signals_heard():
        weakly = threading.Event()
        reference = weakref.ref(weakly, lambda _: 1 / 0)
        del weakly
    assert reference() is None
    assert told == [ZeroDivisionError]


@pytest.fixture
def termination():
    before = signal.getsignal(signal.SIGTERM)
    yield Termination()
    signal.signal(signal.SIGTERM, before)


def test_sigterm_stops_at_once_between_runs(termination):
    termination.install()
    termination.check()
    with pytest.raises(SIGTERMException):
        os.kill(os.getpid(), signal.SIGTERM)


def test_within_a_run_the_trainer_decides_when(termination):
    """Lightning puts a handler of its own in front, which calls the one it found."""
    signal.signal(signal.SIGTERM, lambda number, frame: termination(number, frame))
    os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(SIGTERMException):
        termination.check()


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        ["train.py", "--help"],
        ["train.py", "method=att", "--help"],
        ["train.py", "trainer=cpu", "trainer.max_epochs=1", SEARCH_PATH, "dataset=tiny"],
        ["probe.py", "--help"],
        ["-m", "musicssl", "--help"],
        ["-m", "musicssl.cli.main", "data"],
        ["-m", "musicssl.report", "--help"],
        ["-m", "musicssl.datasets.gtzan", "--help"],
    ],
    ids=" ".join,
)
def test_a_command_whose_reader_has_read_enough_ends_without_a_word(tmp_path, command):
    script = [str(ROOT / word) if word.endswith(".py") else word for word in command]
    with subprocess.Popen(
        [sys.executable, *script],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        process.stdout.close()  # as `head` does in the end
        said = process.stderr.read().decode()
    assert process.returncode in (0, 128 + signal.SIGPIPE)  # 0 of argparse, which says nothing
    assert "Traceback" not in said
    assert "BrokenPipe" not in said
