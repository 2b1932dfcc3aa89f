import os
import signal
import subprocess
import sys

import pytest
from pytorch_lightning.utilities.exceptions import SIGTERMException

from musicssl.cli.exits import Termination, graceful_exit
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
