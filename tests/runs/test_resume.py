"""Kill a real run, start it again, and compare with the run that nobody disturbed."""

import signal
import subprocess
import time
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from pytorch_lightning.utilities.exceptions import SIGTERMException

from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.runs.checkpoint_writing import AtomicCheckpointIO, DescribeCheckpoint
from musicssl.runs.history import History
from musicssl.runs.resume import BestCheckpoint, ResumeCheckpoint
from musicssl.seeding import StepSeed
from tests.support.commands import ROOT
from tests.support.interrupted import Stop, validation_of
from tests.support.kinds import OneClass
from tests.support.preloaded import Command
from tests.support.quick import slow_after
from tests.support.tiny import Tiny

COMMAND = (
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
ON_INSTANCES = ("encoder=att", "views=weak", "projector.hidden=16", "projector.out_dim=8")
END_OF_FIRST = {"epoch": 0, "step": 6}  # of the epoch before


def start(folder: Path) -> Command:
    folder.mkdir(exist_ok=True)
    return Command(*COMMAND, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def finish(folder: Path) -> tuple[Path, str]:
    process = start(folder)
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return next((folder / FOLDER).rglob("metrics.json")).parent, output


def wait_for_epochs(folder: Path, process: Command, epochs: int) -> None:
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


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_stopped_in_an_epoch_resumes_to_the_same_bits(tmp_path, undisturbed, number):
    process = start(tmp_path)
    wait_for_epochs(tmp_path, process, epochs=2)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == {signal.SIGKILL: -9, signal.SIGTERM: 143}[number]
    if number == signal.SIGTERM:
        assert "the same command continues" in errors

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


@pytest.mark.slow
def test_a_complete_run_is_shown_not_trained_again(undisturbed):
    folder = undisturbed.parents[len(Path(FOLDER).parts) + 1]
    before = {path: path.stat().st_mtime_ns for path in undisturbed.rglob("*.ckpt")}
    _, output = finish(folder)
    assert "This run is complete" in output
    assert "AUROC" in output
    assert {path: path.stat().st_mtime_ns for path in undisturbed.rglob("*.ckpt")} == before


def fit(
    folder: Path, accumulate: int, place: str | None = None, name: str = "att"
) -> dict[str, torch.Tensor]:
    """Train three epochs of six steps with everything that train.py puts around a run."""
    crops, chosen = (2, ON_INSTANCES) if name in ("semisupcon", "byol") else (1, ())
    corpus = OneClass() if name == "simmatch" else Tiny()
    datamodule = SemiSupervisedDataModule(corpus, p_s=0.5, b_s=0.5, batch_size=16, num_crops=crops)
    datamodule.setup()
    schedule = ("schedule=halving", "schedule.every_epochs=1")
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = compose("train", [f"method={name}", *schedule, *chosen])
    torch.manual_seed(0)
    method = instantiate(config.method, **datamodule.sizes)
    described = DescribeCheckpoint({}, datamodule.corpus.classes, datamodule.sizes)
    callbacks = [StepSeed(0), History(folder / "history.csv"), Stop(place), described]
    last = folder / "checkpoints" / "last.ckpt"
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=3,
        accumulate_grad_batches=accumulate,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        callbacks=[*callbacks, BestCheckpoint(last.with_name("best.ckpt")), ResumeCheckpoint(last)],
        plugins=[AtomicCheckpointIO()],
    )
    trainer.fit(method, datamodule, ckpt_path=last if last.is_file() else None, weights_only=True)
    return method.state_dict()


@pytest.mark.parametrize("accumulate", slow_after(1, [1, 2]))
@pytest.mark.parametrize("place", slow_after(2, ["step 3", "validation", "step 0", "step 5"]))
def test_a_signal_anywhere_in_an_epoch_costs_nothing(tmp_path, accumulate, place):
    """Within validation or accumulation the state is not whole; the epoch is trained again."""
    whole, stopped, moved = tmp_path / "whole", tmp_path / "stopped", tmp_path / "moved"
    for folder in (whole, stopped):
        folder.mkdir()
    expected = fit(whole, accumulate)
    with pytest.raises(SIGTERMException):
        fit(stopped, accumulate, place)
    last = torch.load(stopped / "checkpoints" / "last.ckpt", weights_only=True)
    position = last["loops"]["fit_loop"]["state_dict"]["combined_loader"][0]
    within = place == "step 3" or (place == "step 0" and accumulate == 1)
    assert position == ({"epoch": 1, "step": int(place[-1]) + 1} if within else END_OF_FIRST)
    stopped.rename(moved)  # the best epoch so far is still known
    found = fit(moved, accumulate)
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor), name
    assert validation_of(moved) == validation_of(whole)
    best = [
        torch.load(run / "checkpoints" / "best.ckpt", weights_only=True) for run in (whole, moved)
    ]
    assert best[0]["epoch"] == best[1]["epoch"]
    for name, tensor in best[0]["state_dict"].items():
        assert torch.equal(best[1]["state_dict"][name], tensor), name


@pytest.mark.parametrize("place", slow_after(1, ["step 3", "validation"]))
@pytest.mark.parametrize("accumulate", slow_after(1, [1, 2]))
@pytest.mark.parametrize(
    "name",
    slow_after(
        2, ["mean_teacher", "temporal_ensembling", "fixmatch", "simmatch", "semisupcon", "byol"]
    ),
)
def test_teacher_ensemble_thresholds_and_target_resume_too(tmp_path, name, accumulate, place):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    for folder in (whole, stopped):
        folder.mkdir()
    expected = fit(whole, accumulate, name=name)
    with pytest.raises(SIGTERMException):
        fit(stopped, accumulate, place, name)
    found = fit(stopped, accumulate, name=name)
    assert found.keys() == expected.keys()
    for key, tensor in expected.items():
        assert torch.equal(found[key], tensor), key
    for ours, theirs in zip(validation_of(stopped), validation_of(whole), strict=True):
        assert ours == pytest.approx(theirs, rel=0, abs=0, nan_ok=True)
    ensembles = [
        torch.load(run / "checkpoints" / "last.ckpt", weights_only=True).get("ensemble")
        for run in (whole, stopped)
    ]
    assert (ensembles[0] is not None) == (name in ("temporal_ensembling", "simmatch"))
    torch.testing.assert_close(*ensembles, rtol=0, atol=0)
