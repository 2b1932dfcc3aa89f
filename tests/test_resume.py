"""Kill a real run, start it again, and compare with the run that nobody disturbed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from musicssl.history import read_history

ROOT = Path(__file__).parents[1]
COMMAND = (
    sys.executable,
    str(ROOT / "train.py"),
    f"hydra.searchpath=[file://{ROOT}/tests/conf]",
    "dataset=tiny",
    "dataset.num_clips=1200",
    "trainer=cpu",
    "trainer.max_epochs=6",
    "schedule=halving",
    "schedule.every_epochs=2",
    "data.p_s=0.5",
    "data.b_s=0.5",
    "data.batch_size=8",
    "threads=1",
)
FOLDER = "runs/att/tiny"


def start(folder: Path) -> subprocess.Popen[str]:
    folder.mkdir(exist_ok=True)
    return subprocess.Popen(
        COMMAND,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(folder: Path) -> tuple[Path, str]:
    process = start(folder)
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return next((folder / FOLDER).rglob("metrics.json")).parent, output


def validation_of(run: Path) -> list[dict[str, float]]:
    """Training loss apart: that of the interrupted epoch is the mean over its second half."""
    rows = read_history(run / "history.csv")
    return [{name: v for name, v in row.items() if name != "train/loss"} for row in rows]


def wait_for_epochs(folder: Path, process: subprocess.Popen[str], epochs: int) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and process.poll() is None:
        histories = list((folder / FOLDER).rglob("history.csv"))
        if histories and len(histories[0].read_text().splitlines()) > epochs:
            time.sleep(0.05)  # into the middle of the next one
            return
        time.sleep(0.005)
    pytest.fail(f"the run ended before epoch {epochs}: {process.communicate()}")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return finish(tmp_path_factory.mktemp("undisturbed"))[0]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_stopped_in_an_epoch_resumes_to_the_same_bits(tmp_path, undisturbed, number):
    process = start(tmp_path)
    wait_for_epochs(tmp_path, process, epochs=2)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == {signal.SIGKILL: -9, signal.SIGTERM: 143}[number]
    if number == signal.SIGTERM:
        assert "the same command goes on" in errors
        last = next((tmp_path / FOLDER).rglob("last.ckpt"))
        saved = torch.load(last, weights_only=True)
        assert saved["loops"]["fit_loop"]["state_dict"]["combined_loader"][0]["step"] % 105 != 0

    resumed, output = finish(tmp_path)
    assert "Going on with the interrupted run" in output
    for name in ("best", "last"):
        expected, found = (
            torch.load(run / "checkpoints" / f"{name}.ckpt", weights_only=True)
            for run in (undisturbed, resumed)
        )
        assert found["global_step"] == expected["global_step"]
        for key, tensor in expected["state_dict"].items():
            assert torch.equal(tensor, found["state_dict"][key]), key
        for key, state in expected["optimizer_states"][0]["state"].items():
            for moment, value in state.items():
                assert torch.equal(value, found["optimizer_states"][0]["state"][key][moment])
    assert validation_of(resumed) == validation_of(undisturbed)
    assert (resumed / "metrics.json").read_text() == (undisturbed / "metrics.json").read_text()


def test_a_complete_run_is_shown_not_trained_again(undisturbed):
    folder = undisturbed.parents[len(Path(FOLDER).parts) + 1]
    before = {path: path.stat().st_mtime_ns for path in undisturbed.rglob("*.ckpt")}
    _, output = finish(folder)
    assert "This run is complete" in output
    assert "AUROC" in output
    assert {path: path.stat().st_mtime_ns for path in undisturbed.rglob("*.ckpt")} == before
