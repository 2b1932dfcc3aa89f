"""What Weights & Biases is told of probes."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import wandb

from musicssl.documents import write_atomically
from musicssl.runs.dashboard import log_probe
from musicssl.runs.folder import RunFolder
from tests.support.recorded_dashboard import Recorded, fail, nobody, serving_refusals
from tests.support.synthetic_probes import document, source, write_probe

KEY = "0123456789abcdef0123456789abcdef01234567"  # the form of one, and no more


@pytest.fixture(autouse=True)
def _nobody(tmp_path, monkeypatch):
    yield from nobody(tmp_path, monkeypatch)


@pytest.fixture
def refusing_server():
    yield from serving_refusals()


SHOWN = {"project": "theirs", "name": "simclr/tiny//p1.0_b0.5_s0", "seed": 0, "sweep": None}


def write_training(folder: Path, logger: Any) -> Path:
    """Write what a run leaves that was in the dashboard; the id is "abc"."""
    RunFolder(folder).claim({"name": "simclr", "seed": 0, "data": {"p_s": 1.0}, "logger": logger})
    (folder / "wandb").mkdir()
    write_atomically(folder / "wandb" / "id", "abc")
    return folder


def probe_of(training: Path | None, **how: Any) -> Path:
    made_by = source() | {"run": None if training is None else str(training)}
    place = Path("home") if training is None else training
    return write_probe(place / "probes" / "gtzan", made_by, **how)


def test_a_probe_is_recorded_whole(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = probe_of(None)
    log_probe(folder, "mine")
    found, written = Recorded(folder), document(folder)
    for cell in written["cells"]:
        for name, value in cell["mean"].items():
            assert found.summary[f"probe/gtzan/linear/p{cell['p_s']}/{name}"] == value
    assert found.summary["probe/gtzan/linear/chance/auroc"] == 0.5
    table = json.loads(found.file(found.rows[-1]["probe/gtzan/linear/fits|path"]))
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
    assert [row["val_loss"] for row in rows] == [fit["val_loss"] for fit in written["fits"]]
    assert [row["auroc"] for row in rows] == [fit["macro"]["auroc"] for fit in written["fits"]]
    assert rows[0]["strength"] == 0.1
    picture = found.rows[-1]["probe/gtzan/linear/figures/per_class|path"]
    assert found.file(picture) == (folder / "figures" / "per_class.png").read_bytes()
    assert found.config["checkpoint"] == "runs/simclr/checkpoints/best.ckpt"
    assert (found.run.project, found.run.run_group) == ("mine", "simclr")
    assert found.exit_codes == [0]


def test_offline_a_probe_is_a_run_of_its_own_in_the_group_of_the_training(tmp_path):
    training = write_training(tmp_path / "run", SHOWN)
    folder = probe_of(training)
    log_probe(folder, "mine")
    found = Recorded(folder)
    assert found.run.run_id != "abc"
    assert (found.run.project, found.run.job_type) == ("theirs", "probe")
    assert found.run.run_group == "simclr/tiny/p1.0_b0.5"  # as `Dashboard` has it
    assert found.config["training_run"] == "simclr/tiny/p1.0_b0.5_s0"
    assert not [*training.glob("wandb/offline-run-*")]


def test_a_probe_shown_twice_is_one_run(tmp_path):
    folder = probe_of(write_training(tmp_path / "run", SHOWN))
    log_probe(folder, "mine")
    first = Recorded(folder).run.run_id
    log_probe(folder, "mine")
    assert Recorded(folder).run.run_id == first


def test_a_training_that_went_on_without_the_dashboard_has_no_run_to_join(tmp_path):
    folder = probe_of(write_training(tmp_path / "run", logger=False))
    log_probe(folder, "mine")
    assert Recorded(folder).run.project == "mine"


def test_online_a_probe_joins_the_run_of_the_training(tmp_path, monkeypatch):
    """What wandb is asked for; the answer is recorded offline, for there is no server."""
    asked = []
    init = wandb.init

    def answer(**how: Any) -> wandb.Run:
        asked.append(how)
        return init(id=how["id"], dir=how["dir"], mode="offline", settings=how["settings"])

    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setattr(wandb, "init", answer)
    folder = probe_of(write_training(tmp_path / "run", SHOWN))
    log_probe(folder, "mine")
    [how] = asked
    assert (how["id"], how["resume"], how["project"]) == ("abc", "must", "theirs")
    assert not {"name", "group", "config"} & how.keys()  # those of the training stay
    assert "probe/gtzan/linear/p1.0/auroc" in Recorded(folder).summary


@pytest.mark.slow
def test_a_training_that_the_server_lacks_is_not_joined(
    tmp_path, monkeypatch, caplog, refusing_server
):
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_BASE_URL", refusing_server)
    folder = probe_of(write_training(tmp_path / "run", SHOWN))
    with caplog.at_level(logging.WARNING):
        log_probe(folder, "mine")
    assert "its training run is not online" in caplog.text
    assert Recorded(folder).run.run_id != "abc"


def test_a_dashboard_that_fails_costs_no_probe(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("wandb.Run.log", fail(ConnectionResetError("Connection lost")))
    folder = probe_of(write_training(tmp_path / "run", SHOWN))
    with caplog.at_level(logging.WARNING):
        log_probe(folder, "mine")
    assert f"does not record the probe in {folder}: Connection lost" in caplog.text
