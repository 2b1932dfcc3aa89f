"""Two real processes, started as torchrun starts them, of which one is stopped."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from musicssl.cli.sweep import SweepProgress
from musicssl.errors import InputError
from musicssl.runs.ranks import StopTogether, explain_lost_process
from tests.support.commands import ROOT, shell
from tests.support.interrupted import validation_of
from tests.support.training_command import TINY

SETTINGS = (
    *(*TINY, "dataset.num_clips=400", "trainer=cpu", "trainer.max_epochs=30", "threads=1"),
    *("data.p_s=0.5", "data.b_s=0.5", "data.batch_size=8", "baselines=false"),
    *("trainer.devices=2", "+trainer.strategy=ddp"),
)
SECONDS = 60  # until both have ended, on a machine that does other things too


def start(folder: Path) -> list[subprocess.Popen[str]]:
    """Start both ranks with the environment that torchrun gives them."""
    folder.mkdir(exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = {
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
        "GROUP_RANK": "0",
        "PYTHONPATH": str(ROOT),
    }
    common |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "TORCHELASTIC_RUN_ID": "a"}
    return [
        subprocess.Popen(
            [sys.executable, str(ROOT / "train.py"), *SETTINGS],
            cwd=folder,
            env=os.environ | common | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    ]


def end(ranks: list[subprocess.Popen[str]], seconds: float) -> list[tuple[int, str]]:
    """Return exit status and errors of each, and let none go on after that time."""
    try:
        return [(rank.wait(seconds), rank.communicate()[1]) for rank in ranks]
    finally:
        for rank in ranks:
            rank.kill()


def stop(folder: Path, victim: int, number: int) -> list[tuple[int, str]]:
    """Send a rank a signal when three epochs are trained."""
    ranks = start(folder)
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and all(rank.poll() is None for rank in ranks):
        histories = list(folder.rglob("history.csv"))
        if histories and len(histories[0].read_text().splitlines()) > 3:
            break
        time.sleep(0.01)
    ranks[victim].send_signal(number)
    return end(ranks, SECONDS)


def result(folder: Path) -> Path:
    return next(folder.rglob("metrics.json")).parent


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    assert [status for status, _ in end(start(folder), 300)] == [0, 0]
    return result(folder)


def check_stopped_together(folder: Path, victim: int, number: int = signal.SIGTERM) -> None:
    for status, errors in stop(folder, victim, number):
        assert status == 128 + number, errors
        assert "Stopped; the same command continues" in errors
        assert "Traceback" not in errors
    assert not list(folder.rglob("metrics.json"))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
def test_a_signal_to_the_first_rank_stops_both(tmp_path, number):
    check_stopped_together(tmp_path, victim=0, number=number)


@pytest.mark.slow
def test_sigterm_to_another_rank_stops_both_and_they_resume_to_the_same_bits(tmp_path, undisturbed):
    check_stopped_together(tmp_path, victim=1)
    assert [status for status, _ in end(start(tmp_path), 300)] == [0, 0]
    resumed = result(tmp_path)
    weights = [
        torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        for run in (undisturbed, resumed)
    ]
    for name, tensor in weights[0].items():
        assert torch.equal(weights[1][name], tensor), name
    assert validation_of(resumed) == validation_of(undisturbed)
    assert (resumed / "metrics.json").read_text() == (undisturbed / "metrics.json").read_text()


@pytest.mark.slow
def test_a_rank_whose_other_is_killed_ends_with_a_sentence(tmp_path):
    (status, errors), (killed, _) = stop(tmp_path, 1, signal.SIGKILL)
    assert killed == -signal.SIGKILL
    assert status == 2, errors
    assert "error: another process of this run has ended, so that this one ends too" in errors
    assert "Traceback" not in errors


@pytest.mark.slow
def test_a_sweep_of_distributed_runs_is_refused_and_starts_no_process(tmp_path):
    done = shell(tmp_path, "-m", *SETTINGS, "seed=0,1")
    assert done.returncode != 0
    assert done.stdout.count("2 runs, 1 at a time") == 1  # no child began the sweep again
    assert "a job of a sweep trains on one device, not on 2; set trainer.devices=1" in (
        " ".join(done.stdout.split())
    )
    assert "Initializing distributed" not in done.stdout + done.stderr
    assert not list(tmp_path.rglob("*.ckpt"))


def test_a_sweep_started_by_several_processes_is_refused(monkeypatch, capsys):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(SystemExit) as ended:
        SweepProgress().on_multirun_start(SimpleNamespace())
    assert ended.value.code == 2
    assert "started by 2 processes at once" in capsys.readouterr().err


def test_one_process_is_left_to_lightning():
    trainer, before = SimpleNamespace(world_size=1), signal.getsignal(signal.SIGTERM)
    callback = StopTogether()
    callback.on_train_start(trainer, None)
    assert signal.getsignal(signal.SIGTERM) is before
    callback.on_train_batch_end(trainer, None, None, None, 0)  # no process group is asked


@pytest.mark.parametrize(
    ("world_size", "message", "kind"),
    [
        (2, "[gloo/transport/tcp/pair.cc:538] Read error: Connection reset by peer", InputError),
        (2, "NCCL communicator was aborted on rank 0.", InputError),
        (2, "mat1 and mat2 shapes cannot be multiplied", RuntimeError),
        (2, "gloo: is there a distributed collective mismatch in your code?", RuntimeError),
        (1, "Connection reset by peer", RuntimeError),
    ],
)
def test_only_the_absence_of_another_process_is_explained(world_size, message, kind):
    with (
        pytest.raises(kind) as raised,
        explain_lost_process(SimpleNamespace(world_size=world_size)),
    ):
        raise RuntimeError(message)
    assert ("another process of this run has ended" in str(raised.value)) == (kind is InputError)
