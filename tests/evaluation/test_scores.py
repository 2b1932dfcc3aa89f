"""What clips are ranked by: log-odds, which differ where probabilities have rounded to 1."""

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, roc_auc_score

from musicssl.batch import Batch
from musicssl.evaluation.predictions import measure, predict_clips
from musicssl.evaluation.scores import LOG_ODDS
from musicssl.evaluation.tasks import MULTI_CLASS, MULTI_LABEL, TASKS
from musicssl.methods.base.method import Method
from musicssl.methods.generative.selected import values_of_models
from tests.support.arrays import arrays_in
from tests.support.training import supervised_parts

SATURATED = torch.tensor([[17.0], [20.0], [25.0], [30.0]])  # negatives 17, 20; positives 25, 30
PRESENT = torch.tensor([[0.0], [0.0], [1.0], [1.0]])


class Fixed(Method):
    """Says what it is given, clip by clip."""

    def forward(self, batch):
        return batch.x


def batches(logits, targets):
    return [Batch(logits, targets, torch.ones_like(targets, dtype=torch.bool))]


def test_probabilities_tie_where_logits_do_not():
    everywhere = torch.ones(4, 1, dtype=torch.bool)
    scores = MULTI_LABEL.scores(SATURATED)
    assert scores.unique().tolist() == [1.0]
    tied = MULTI_LABEL.metrics(scores, PRESENT, everywhere).macro
    assert (tied["auroc"], tied["average_precision"]) == (0.5, 0.5)
    apart = MULTI_LABEL.metrics(scores, PRESENT, everywhere, MULTI_LABEL.log_odds(SATURATED)).macro
    assert (apart["auroc"], apart["average_precision"]) == (1.0, 1.0)


@pytest.mark.parametrize("scale", [1.0, 30.0, 300.0])
def test_rankings_are_those_of_sklearn_on_the_logits(scale):
    rng = np.random.default_rng(0)
    logits = np.round(scale * rng.standard_normal((200, 5)), 1).astype(np.float32)  # some ties
    targets = (rng.random((200, 5)) < 0.3).astype(np.float32)
    mask = rng.random((200, 5)) < 0.7
    tensors = map(torch.from_numpy, (targets, mask, logits))
    found = MULTI_LABEL.metrics(torch.from_numpy(logits).sigmoid(), *tensors).per_class
    for c in range(5):
        seen = mask[:, c]
        expected = roc_auc_score(targets[seen, c], logits[seen, c])
        assert found["auroc"][c].item() == pytest.approx(expected, abs=1e-12)
        expected = average_precision_score(targets[seen, c], logits[seen, c])
        assert found["average_precision"][c].item() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("scale", [1.0, 20.0, 200.0])
def test_log_odds_of_classes_are_exact(scale):
    """log p_c - log(sum of the others), with the sums of exponentials in long doubles."""
    logits = scale * torch.randn(50, 6, generator=torch.Generator().manual_seed(0))
    z = logits.numpy().astype(np.longdouble)
    expected = np.empty_like(z)
    for c in range(6):
        others = np.delete(z, c, axis=1)
        top = others.max(axis=1)
        expected[:, c] = z[:, c] - top - np.log(np.exp(others - top[:, None]).sum(axis=1))
    found = LOG_ODDS["multi_class"](logits)
    np.testing.assert_allclose(found.numpy(), expected.astype(float), rtol=1e-4, atol=1e-4)


def test_classes_of_sure_clips_are_ranked_too():
    logits = torch.tensor([[30.0, 0.0], [20.0, 0.0], [0.0, 40.0], [60.0, 0.0]])
    targets = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [1.0, 0.0]])
    mask = torch.ones(4, 2, dtype=torch.bool)
    scores = MULTI_CLASS.scores(logits)
    assert MULTI_CLASS.metrics(scores, targets, mask).macro["auroc"] < 1
    assert (
        MULTI_CLASS.metrics(scores, targets, mask, MULTI_CLASS.log_odds(logits)).macro["auroc"] == 1
    )


def test_a_method_is_validated_tested_and_selected_by_its_logits(tmp_path):
    method = Fixed(**supervised_parts(loss=None, num_classes=1))
    logged = {}
    method.log_dict = lambda values, **how: logged.update(values)
    everywhere = torch.ones(4, 1, dtype=torch.bool)
    method.log_metrics("val/", SATURATED, PRESENT, everywhere)
    assert (logged["val/auroc"], logged["val/average_precision"]) == (1.0, 1.0)
    selected = values_of_models("val/auroc", SATURATED, PRESENT, everywhere, MULTI_LABEL)
    assert selected.tolist() == [-1.0]

    ids = np.array(["a", "b", "c", "d"])
    found = predict_clips(method, batches(SATURATED, PRESENT), ("x",), ids)
    assert measure(found).macro["auroc"] == 1.0
    found.save(tmp_path / "predictions.npz")
    with np.load(tmp_path / "predictions.npz") as stored:
        assert np.array_equal(stored["log_odds"], SATURATED)
        assert roc_auc_score(stored["targets"], stored["log_odds"]) == 1.0


class OnlyScores:
    def scores(self, batch):
        return batch.x.sigmoid()


def test_a_method_without_logits_is_ranked_by_its_scores(tmp_path):
    logits = SATURATED - 23
    found = predict_clips(OnlyScores(), batches(logits, PRESENT), ("x",), np.array(["a"] * 4))
    assert found.log_odds is None
    assert measure(found).macro["auroc"] == 1.0
    found.save(tmp_path / "predictions.npz")
    assert "log_odds" not in arrays_in(tmp_path / "predictions.npz")


@pytest.mark.parametrize("task", [task for task in TASKS if task.has_classes])
@pytest.mark.parametrize("count", [0, 1, 5])
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_what_cannot_be_ranked_is_undefined_and_nothing_fails(task, count, value):
    """One clip, none, or clips of one class only; the mean is over the classes that can be."""
    logits = torch.randn(count, 3, generator=torch.Generator().manual_seed(0))
    targets = torch.tensor([[value, 0.0, 0.0]]).expand(count, 3)
    mask = torch.ones(count, 3, dtype=torch.bool)
    found = task.metrics(task.scores(logits), targets, mask, task.log_odds(logits))
    assert found.per_class["auroc"].isnan().all()
    assert np.isnan(found.macro["auroc"])
    if task.one_class_per_clip:
        return
    assert found.per_class["average_precision"].isnan().tolist() == [
        not (count and value),
        True,
        True,
    ]
    targets = torch.cat([targets, torch.tensor([[1 - value, 0.0, 0.0]])])
    logits = torch.cat([logits, torch.full((1, 3), 9.0 - 18 * value)])
    if count:
        found = task.metrics(task.scores(logits), targets, torch.ones(count + 1, 3).bool(), logits)
        assert found.macro["auroc"] == 1.0
