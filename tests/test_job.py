import json

import pytest
from pytorch_lightning.utilities.exceptions import SIGTERMException

from musicssl.errors import InputError
from musicssl.job import attempt, claimed
from musicssl.run_folder import RunFolder


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "run").mkdir()  # as Hydra does
    return RunFolder(tmp_path / "run")


def complete(folder, auroc):
    folder.metrics.write_text(json.dumps({"macro": {"auroc": auroc}}))


def failing(error):
    def work():
        raise error

    return work


@pytest.mark.parametrize("auroc", [0.75, None])
def test_a_run_that_ends_well(folder, auroc):
    outcome = attempt(lambda: complete(folder, auroc), folder, parallel=False)
    assert (outcome.state, outcome.auroc, outcome.cause) == ("trained", auroc, "")
    again = attempt(lambda: None, folder, parallel=False)
    assert (again.state, again.auroc) == ("was complete", auroc)


def test_a_mistake_is_a_sentence(folder):
    outcome = attempt(failing(InputError("mend this.")), folder, parallel=False)
    assert (outcome.state, outcome.cause, outcome.mistake) == ("failed", "mend this.", True)
    assert not list(folder.path.iterdir())


def test_a_defect_leaves_its_traceback_until_the_run_is_tried_again(folder):
    outcome = attempt(failing(ZeroDivisionError("by\nzero")), folder, parallel=False)
    assert outcome.state == "failed"
    assert outcome.cause == "ZeroDivisionError: by (see error.txt)"
    assert not outcome.mistake
    assert "in work" in (folder.path / "error.txt").read_text()
    attempt(lambda: complete(folder, 0.5), folder, parallel=False)
    assert not (folder.path / "error.txt").exists()


@pytest.mark.parametrize("stop", [SIGTERMException, KeyboardInterrupt, SystemExit])
def test_a_stop_is_no_failure(folder, stop):
    with pytest.raises(stop):
        attempt(failing(stop()), folder, parallel=False)


def test_a_folder_belongs_to_one_job_at_a_time(folder):
    with claimed(folder.path):
        outcome = attempt(lambda: complete(folder, 1.0), folder, parallel=False)
        assert outcome.cause.startswith(f"another process is at work in {folder.path}")
        assert not folder.is_complete
    assert attempt(lambda: complete(folder, 1.0), folder, parallel=False).state == "trained"
