"""Checkpoints that version 0.1.0 wrote, before its modules moved; oracle: its own scores."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hydra.utils import get_object

from musicssl.batch import Batch
from musicssl.networks.thresholds.prior import PriorMatchedThresholds
from musicssl.runs.checkpoint import Checkpoint, load_method
from musicssl.runs.former_names import with_current_names

RUNS = Path(__file__).parents[1] / "fixtures" / "runs_of_0_1"


@pytest.mark.parametrize("name", ["att", "m1", "mean_teacher", "semisupcon"])
def test_a_checkpoint_of_0_1_loads_and_scores_as_it_did(name):
    method, classes = load_method(RUNS / name / "checkpoints" / "best.ckpt")
    with np.load(RUNS / name / "expected.npz") as stored:
        x, expected = torch.from_numpy(stored["x"]), stored["scores"]
    nothing = torch.zeros(len(x), len(classes))
    with torch.no_grad():
        scores = method.scores(Batch(x, nothing, nothing.bool()))
    np.testing.assert_allclose(scores.numpy(), expected, rtol=1e-5, atol=1e-6)


def test_parts_of_0_1_have_the_names_of_today():
    made = Checkpoint.read(RUNS / "mean_teacher" / "checkpoints" / "best.ckpt")
    assert made.setting("method.pooling._target_") == "musicssl.networks.pooling.AttentionPooling"
    assert made.setting("method.teacher._target_") == "musicssl.networks.teacher.Teacher"
    assert made.setting("features._target_") == "musicssl.audio.log_mel.LogMel"


@pytest.mark.parametrize(
    ("name", "network"), [("att", "classifier"), ("mean_teacher", "teacher.average")]
)
def test_a_checkpoint_of_0_1_names_the_network_that_predicts(name, network):
    path = RUNS / name / "checkpoints" / "best.ckpt"
    assert Checkpoint.read(path).network == network
    method, _ = load_method(path)
    assert method.predicts_with == network


@pytest.mark.parametrize("former", ["musicssl.thresholds", "musicssl.networks.thresholds"])
def test_thresholds_of_earlier_checkpoints_are_those_that_match_the_prior(former):
    found = with_current_names({"_target_": f"{former}.PriorMatchedThresholds"})["_target_"]
    assert get_object(found) is PriorMatchedThresholds
