import os
import signal
import sys

import pytest
from pytorch_lightning.utilities.exceptions import SIGTERMException

from musicssl.cli.exits import Termination, graceful_exit


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
