import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from joblib.externals.loky.process_executor import TerminatedWorkerError

from musicssl.cli import worker
from musicssl.cli.command import explain_killed_worker
from musicssl.cli.worker import claim_device, visible_devices
from musicssl.errors import InputError

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _release():
    yield
    for file in worker._held:
        file.close()
    worker._held.clear()


def test_no_device_is_shared_while_another_is_free(tmp_path):
    devices = ["0", "1", "GPU-uuid/2"]
    claims = [claim_device(devices, tmp_path / "locks") for _ in range(9)]
    for turn in range(3):  # each round takes every device once
        assert sorted(claims[3 * turn : 3 * turn + 3]) == devices
    assert Counter(claims) == dict.fromkeys(devices, 3)


@pytest.mark.slow
def test_a_process_claims_what_others_left_and_frees_it_when_it_ends(tmp_path):
    place = tmp_path / f"musicssl-{os.getuid()}"
    assert claim_device(["3", "5"], place) == "3"
    command = "from musicssl.cli.worker import settle_in; import os; settle_in(); settle_in()"
    result = subprocess.run(
        [sys.executable, "-c", f"{command}; print(os.environ['CUDA_VISIBLE_DEVICES'])"],
        env=os.environ
        | {"CUDA_VISIBLE_DEVICES": "3,5", "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout == "5\n"
    assert [claim_device(["3", "5"], place) for _ in range(3)] == ["5", "3", "5"]


def test_the_death_of_a_worker_is_explained():
    with (
        pytest.raises(InputError, match="jobs=N with a smaller N"),
        explain_killed_worker(),
    ):
        raise TerminatedWorkerError("exit codes of the workers are {SIGKILL(-9)}")


@pytest.mark.parametrize(
    ("named", "expected"), [("", []), ("1", ["1"]), ("0, 2", ["0", "2"]), ("MIG-a", ["MIG-a"])]
)
def test_devices_are_those_that_the_environment_names(monkeypatch, named, expected):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    assert visible_devices() == expected


def test_without_a_name_all_devices_are_visible(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 3)
    assert visible_devices() == ["0", "1", "2"]
