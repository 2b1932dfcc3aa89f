import json
import signal
import subprocess
import sys

import pytest
from pytorch_lightning.utilities.exceptions import SIGTERMException

from musicssl.cli.job import attempt
from musicssl.errors import InputError
from musicssl.runs.folder import RunFolder, claimed


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "run").mkdir()  # as Hydra does
    return RunFolder(tmp_path / "run")


def complete(folder, **means):
    folder.metrics.write_text(json.dumps({"macro": means}))


def failing(error):
    def work():
        raise error

    return work


@pytest.mark.parametrize(
    ("means", "result"),
    [
        ({"f1": 0.5, "auroc": 0.75}, "AUROC 0.750"),
        ({"auroc": None}, "AUROC undefined"),
        ({"auroc": 0.9, "accuracy": 0.6}, "accuracy 0.600"),
        ({"auroc": 0.9, "accuracy": 0.6, "weighted_accuracy": 0.7}, "weighted accuracy 0.700"),
        ({"rmse": 1.0, "r2": -0.25}, "R² -0.250"),
    ],
)
def test_a_run_that_ends_well(folder, means, result):
    outcome = attempt(lambda: complete(folder, **means), folder, parallel=False)
    assert (outcome.state, outcome.result, outcome.cause) == ("trained", result, "")
    again = attempt(lambda: None, folder, parallel=False)
    assert (again.state, again.result) == ("was complete", result)


def test_a_mistake_is_a_sentence(folder):
    outcome = attempt(failing(InputError("mend this.")), folder, parallel=False)
    assert (outcome.state, outcome.cause, outcome.mistake) == ("failed", "mend this.", True)
    assert not folder.path.exists()


def test_a_defect_leaves_its_traceback_until_the_run_is_tried_again(folder):
    outcome = attempt(failing(ZeroDivisionError("by\nzero")), folder, parallel=False)
    assert outcome.state == "failed"
    assert outcome.cause == "ZeroDivisionError: by (see error.txt)"
    assert not outcome.mistake
    assert "in work" in (folder.path / "error.txt").read_text()
    attempt(lambda: complete(folder, auroc=0.5), folder, parallel=False)
    assert not (folder.path / "error.txt").exists()


@pytest.mark.parametrize("stop", [SIGTERMException, KeyboardInterrupt, SystemExit])
def test_a_stop_is_no_failure(folder, stop):
    with pytest.raises(stop):
        attempt(failing(stop()), folder, parallel=False)


def test_a_run_that_fails_because_of_ctrl_c_is_no_failure(folder):
    def work():
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            None.flags  # noqa: B018

    with pytest.raises(KeyboardInterrupt):
        attempt(work, folder, parallel=False)
    assert not (folder.path / "error.txt").exists()


def test_a_folder_belongs_to_one_job_at_a_time(folder):
    with claimed(folder.path):
        outcome = attempt(lambda: complete(folder, auroc=1.0), folder, parallel=False)
        assert outcome.cause.startswith(f"another process is at work in {folder.path}")
        assert not folder.is_complete
    assert attempt(lambda: complete(folder, auroc=1.0), folder, parallel=False).state == "trained"


def test_what_a_killed_writer_left_is_removed_and_nothing_else(tmp_path):
    killed_before_the_name = (
        "import os, signal, sys; from pathlib import Path\n"
        "from musicssl.documents import write_atomically\n"
        "Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "write_atomically(Path(sys.argv[1]), 'seed: 0')"
    )
    call = [sys.executable, "-c", killed_before_the_name, str(tmp_path / "config.yaml")]
    assert subprocess.run(call, check=False).returncode == -signal.SIGKILL
    [part] = tmp_path.iterdir()
    assert part.read_text() == "seed: 0"
    for name in (".notes", "config.yaml.part-1"):
        (tmp_path / name).touch()
    with claimed(tmp_path):
        assert {file.name for file in tmp_path.iterdir()} == {".notes", "config.yaml.part-1"}
