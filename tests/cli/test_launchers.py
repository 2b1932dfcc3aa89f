"""Sweeps by the launchers of clusters, which are extras. Oracle: the runs by themselves."""

import importlib.util

import pytest
import torch

from tests.support.sweeps import completed, finish, start
from tests.support.training_command import run

PLUGINS = {"slurm_local": "hydra_submitit_launcher", "ray": "hydra_ray_launcher"}
SETTINGS = ("trainer.max_epochs=1", "baselines=false")


@pytest.mark.slow
@pytest.mark.parametrize("launcher", PLUGINS)
def test_jobs_are_the_runs_that_they_would_be_by_themselves(tmp_path, launcher):
    if importlib.util.find_spec(f"hydra_plugins.{PLUGINS[launcher]}") is None:
        pytest.skip(f"{PLUGINS[launcher]} is not installed; docs/guides/sweeps.md says how")
    sweep = start(tmp_path, "-m", *SETTINGS, f"launcher={launcher}", "seed=0,1")
    status, out, err = finish(sweep)
    assert status == 0, err
    assert "2 runs, 2 at a time: seed=0,1" in out
    assert set(completed(tmp_path)) == {"p1.0_b1.0_s0", "p1.0_b1.0_s1"}
    for seed in (0, 1):
        assert f" seed={seed} " in out.rpartition("run ")[2]  # in the table at the end
        alone = run(tmp_path / f"alone{seed}", *SETTINGS, "encoder.dropout=0", f"seed={seed}")
        (best,) = (tmp_path / "runs").rglob(f"*_s{seed}/checkpoints/best.ckpt")
        ours, theirs = (
            torch.load(file, weights_only=True)["state_dict"] for file in (best, alone.best)
        )
        for name, tensor in theirs.items():
            assert torch.equal(ours[name], tensor), name
