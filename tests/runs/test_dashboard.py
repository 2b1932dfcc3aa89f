"""What Weights & Biases would be told, read back from the files that `wandb sync` uploads."""

import json
import logging
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
import wandb
import yaml
from pytorch_lightning.utilities.exceptions import SIGTERMException

from musicssl.errors import InputError
from musicssl.figures.run_figures import draw_timelines
from musicssl.runs.dashboard import _mode
from musicssl.runs.folder import RunFolder
from musicssl.runs.history import read_history
from tests.support import preloaded
from tests.support.commands import ROOT
from tests.support.quick import slow_after
from tests.support.recorded_dashboard import Recorded, fail, nobody, serving_refusals
from tests.support.sources import imports
from tests.support.training_command import QUICK
from tests.support.training_command import run as run_without

KEY = "0123456789abcdef0123456789abcdef01234567"  # the form of one, and no more


@pytest.fixture(autouse=True)
def _nobody(tmp_path, monkeypatch):
    yield from nobody(tmp_path, monkeypatch)


def run(folder: Path, *overrides: str) -> RunFolder:
    """Run in this process."""
    return run_without(folder, "logger=wandb", *overrides)


def command(*arguments: str) -> list[str]:
    return [str(ROOT / "train.py"), *arguments, *QUICK, "logger=wandb"]


def test_a_run_is_recorded_whole_without_an_account(tmp_path, monkeypatch):
    monkeypatch.setattr("musicssl.runs.artifacts.localisation.draw_timelines", draw_timelines)
    folder = run(tmp_path / "run")
    found = Recorded(folder.path)
    assert found.config == yaml.safe_load(folder.config.read_text())
    assert found.config["method"]["_target_"] == "musicssl.methods.att.AttentionMIL"
    assert found.exit_codes == [0]

    assert found.epochs == read_history(folder.history)
    assert [row["epoch"] for row in found.epochs] == [row["_step"] for row in found.rows[:-1]]
    assert found.epochs[0]["lr-AdamW"] == pytest.approx(1e-3)
    assert {"train/loss", "val/loss", "val/auroc"} < set(found.epochs[1])

    document = json.loads(folder.metrics.read_text())
    for name, value in document["macro"].items():
        assert found.summary[f"test/{name}"] == value
    for name, value in document["localisation"].items():
        assert found.summary[f"test/localisation/{name}"] == value

    last = found.rows[-1]
    table = json.loads(found.file(last["test/per_class|path"]))
    assert table["columns"] == ["class", *document["per_class"]]
    assert [row[0] for row in table["data"]] == ["a", "b", "c"]
    for column, name in enumerate(document["per_class"], start=1):
        assert [row[column] for row in table["data"]] == document["per_class"][name]
    for picture in folder.figures.glob("*.png"):
        assert found.file(last[f"figures/{picture.stem}|path"]) == picture.read_bytes()
    assert sum(name.startswith("figures/timeline_") for name in last) > 3


@pytest.mark.slow
def test_the_jobs_of_a_sweep_are_runs_of_one_group(tmp_path):
    words = ("sweep=label_fraction", "method=att", "data.p_s=0.2,0.5", "seed=0", "threads=1")
    done = preloaded.run(*command(*words), cwd=tmp_path, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    folders = sorted(path.parent for path in tmp_path.rglob("metrics.json"))
    first, second = (Recorded(folder).run for folder in folders)
    names = [folder.relative_to(tmp_path / "runs").as_posix() for folder in folders]
    assert [first.display_name, second.display_name] == names
    assert first.run_group == second.run_group == "label_fraction"
    assert first.run_id != second.run_id
    assert [Recorded(folder).exit_codes for folder in folders] == [[0], [0]]


@pytest.mark.slow
def test_a_forest_has_no_epochs_and_all_results(tmp_path):
    settings = ("method=random_forest", "method.num_workers=1", "seed=3", "data.p_s=0.5")
    folder = run(tmp_path, *settings)
    found = Recorded(folder.path)
    assert found.epochs == []
    assert found.exit_codes == [0]
    assert found.summary["test/auroc"] == json.loads(folder.metrics.read_text())["macro"]["auroc"]
    assert found.rows[-1]["figures/per_class|_type"] == "image-file"

    assert found.run.project == "musicssl"
    assert found.run.job_type == "random_forest"
    assert sorted(found.run.tags) == ["random_forest", "tiny"]
    assert found.run.run_group.endswith("p0.5_b1.0")
    assert found.run.display_name == f"{found.run.run_group}_s3"


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on_as_one_run_without_gap_or_repetition(tmp_path):
    folder = RunFolder(tmp_path / "run")
    process = preloaded.Command(
        *command(f"hydra.run.dir={folder.path}"),
        "trainer.max_epochs=30",
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while not folder.last.is_file() or len(read_history(folder.history)) < 3:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(timeout=60)
    (killed,) = folder.path.glob("wandb/offline-run-*")

    run(folder.path, "trainer.max_epochs=30")
    found = Recorded(folder.path)
    assert killed.name.endswith(found.run.run_id)
    assert [row["epoch"] for row in found.epochs] == list(range(30))
    assert found.epochs == read_history(folder.history)
    assert found.exit_codes == [0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "error"),
    slow_after(
        1,
        [
            ("runs.results.write_results", RuntimeError("out of memory")),
            ("runs.results.write_results", KeyboardInterrupt()),
            ("cli.fitting.EpochProgress.on_train_epoch_end", SIGTERMException()),
        ],
    ),
)
def test_a_run_that_fails_is_closed_as_failed_and_can_go_on(tmp_path, monkeypatch, place, error):
    with monkeypatch.context() as broken:
        broken.setattr(f"musicssl.{place}", fail(error))
        with pytest.raises(type(error)):
            run(tmp_path)
    failed = Recorded(tmp_path)
    assert failed.exit_codes == [1]
    done = Recorded(run(tmp_path).path)
    assert done.exit_codes == [0]
    assert done.run.run_id == failed.run.run_id
    assert [row["epoch"] for row in done.epochs] == [0, 1]


def test_settings_that_train_nothing_are_a_failed_run_too(tmp_path):
    with pytest.raises(InputError, match="no epoch was trained"):
        run(tmp_path, "+trainer.max_time='00:00:00:00'")
    assert Recorded(tmp_path).exit_codes == [1]


@pytest.mark.slow
def test_overwriting_begins_another_run(tmp_path):
    first = Recorded(run(tmp_path).path)
    second = Recorded(run(tmp_path, "overwrite=true").path)
    assert first.run.run_id != second.run.run_id
    assert [row["epoch"] for row in second.epochs] == [0, 1]


@pytest.mark.slow
def test_epochs_from_before_the_dashboard_are_shown_too(tmp_path, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr("musicssl.runs.results.write_results", fail(RuntimeError("out of memory")))
        with pytest.raises(RuntimeError):
            run_without(tmp_path)
    found = Recorded(run(tmp_path).path)
    assert [row["epoch"] for row in found.epochs] == [0, 1]


def test_a_dashboard_that_fails_costs_no_training(tmp_path, monkeypatch, caplog):
    """What wandb raises after its background process has died."""
    monkeypatch.setattr("wandb.Run.log", fail(ConnectionResetError("Connection lost")))
    with caplog.at_level(logging.WARNING):
        folder = run(tmp_path)
    assert folder.is_complete
    assert "stopped recording this run: Connection lost" in caplog.text


@pytest.fixture
def refusing_server():
    yield from serving_refusals()


@pytest.mark.slow
def test_a_server_that_refuses_is_said_and_the_run_recorded_offline(
    tmp_path, monkeypatch, caplog, refusing_server
):
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_BASE_URL", refusing_server)
    with caplog.at_level(logging.WARNING):
        folder = run(tmp_path)
    assert "Weights & Biases refuses, recording offline" in caplog.text
    found = Recorded(folder.path)
    assert found.exit_codes == [0]
    assert found.epochs == read_history(folder.history)


def test_without_a_key_nothing_goes_online(monkeypatch, tmp_path):
    assert _mode() == "offline"
    wandb.teardown()
    monkeypatch.setenv("WANDB_MODE", "online")  # wandb itself would ask for a key
    assert _mode() == "offline"


@pytest.mark.parametrize("mode", ["offline", "disabled"])
def test_the_mode_that_is_asked_for_is_taken(monkeypatch, mode):
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_MODE", mode)
    assert _mode() == mode


def test_a_key_in_the_environment_or_in_netrc_goes_online(monkeypatch, tmp_path):
    (tmp_path / "home" / ".netrc").write_text(f"machine api.wandb.ai login user password {KEY}\n")
    assert _mode() == "online"
    wandb.teardown()
    (tmp_path / "home" / ".netrc").unlink()
    assert _mode() == "offline"
    wandb.teardown()
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    assert _mode() == "online"


def test_wandb_is_imported_only_where_it_is_chosen():
    """Hydra's `_target_` is the one way to the dashboard; to import it takes half a second."""
    for path in (ROOT / "train.py", *(ROOT / "musicssl").rglob("*.py")):
        names = imports(path)
        assert "musicssl.runs.dashboard" not in names, path
        assert path.name == "dashboard.py" or "wandb" not in {n.split(".")[0] for n in names}, path


@pytest.mark.slow
def test_disabled_records_nothing_and_removes_nothing(tmp_path, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr("musicssl.runs.results.write_results", fail(RuntimeError("out of memory")))
        with pytest.raises(RuntimeError):
            run(tmp_path)
    wandb.teardown()
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert run(tmp_path).is_complete
    assert Recorded(tmp_path).exit_codes == [1]
