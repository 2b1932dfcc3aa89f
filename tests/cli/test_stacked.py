"""Sweeps whose runs are trained side by side, in processes of their own."""

import json
import signal
import time

import pytest
import torch

from musicssl.runs.history import read_history
from tests.support.commands import SEARCH_PATH, shell
from tests.support.sweeps import completed, finish, start

TINY = (
    *(SEARCH_PATH, "dataset=tiny", "baselines=false", "trainer=cpu"),
    *("trainer.max_epochs=2", "data.batch_size=16"),
)


def of_folders(runs):
    """Return what decides between runs, by folder."""
    found = {}
    for metrics in runs.rglob("metrics.json"):
        folder = metrics.parent
        weights = torch.load(folder / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
        found[str(folder.relative_to(runs))] = (
            json.loads(metrics.read_text()),
            read_history(folder / "history.csv"),
            weights,
            {path.name for path in folder.rglob("*") if path.is_file()},
        )
    return found


@pytest.mark.slow
def test_runs_side_by_side_leave_the_folders_of_runs_one_by_one(tmp_path):
    command = ("seed=0,1", "data.p_s=0.4,0.8", "method=mean_teacher", "encoder.dropout=0.5")
    stacked = shell(tmp_path, "-m", *TINY, *command, "launcher=stacked", "runs=stacked")
    assert stacked.returncode == 0, stacked.stderr
    assert stacked.stdout.count("4 runs are trained side by side.") == 1
    alone = shell(tmp_path, "-m", *TINY, *command, "runs=alone")
    assert alone.returncode == 0, alone.stderr
    ours, theirs = of_folders(tmp_path / "stacked"), of_folders(tmp_path / "alone")
    assert len(ours) == 4
    for name, (metrics, history, weights, files) in ours.items():
        assert metrics == theirs[name][0]
        assert history == theirs[name][1]
        torch.testing.assert_close(weights, theirs[name][2], rtol=0, atol=0)
        assert files == theirs[name][3]


@pytest.mark.slow
def test_a_sweep_that_was_stopped_goes_on_where_it_was(tmp_path):
    command = ("trainer.max_epochs=30", "seed=0,1,2", "launcher=stacked", "baselines=false")
    process = start(tmp_path, "-m", *command)
    while len(list(tmp_path.rglob("last.ckpt"))) < 3:
        time.sleep(0.2)
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert finish(process)[0] == 128 + signal.SIGTERM
    assert completed(tmp_path) == {}

    status, out, err = finish(start(tmp_path, "-m", *command))
    assert status == 0, err
    assert out.count("Going on with the interrupted run") == 3
    assert finish(start(tmp_path, "-m", *command, "runs=alone"))[0] == 0
    resumed, alone = of_folders(tmp_path / "runs"), of_folders(tmp_path / "alone")
    for name, (_, history, weights, _) in resumed.items():
        assert [row["epoch"] for row in history] == [*range(30)]
        torch.testing.assert_close(weights, alone[name][2], rtol=0, atol=0)


@pytest.mark.slow
def test_a_run_that_fails_stops_no_other(tmp_path):
    command = ("-m", "trainer.max_epochs=1", "seed=0,1", "data.p_s=2,1", "launcher=stacked")
    status, out, err = finish(start(tmp_path, *command, "baselines=false"))
    assert status == 2
    assert set(completed(tmp_path)) == {"p1.0_b1.0_s0", "p1.0_b1.0_s1"}
    assert "4 of 4 done, 2 failed" in out
    for seed in (0, 1):
        assert f"failed: seed={seed} p_s=2: data.p_s must be in [0, 1], got 2" in err
