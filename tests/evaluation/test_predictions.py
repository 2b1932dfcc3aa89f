"""What is predicted of a split: clip by clip the same, however batched and padded."""

import numpy as np
import pytest
import torch

from musicssl.batch import Batch
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.evaluation.predictions import Predictions, predict_clips, predict_instances
from musicssl.evaluation.tasks import MULTI_CLASS, MULTI_LABEL, REGRESSION, TASKS
from musicssl.methods.att import AttentionMIL
from musicssl.networks.pooling import AttentionPooling, Instances, MaxPooling
from tests.support.arrays import arrays_in
from tests.support.kinds import OneClass, Values
from tests.support.tiny import Tiny
from tests.support.training import supervised_parts


def method(**parts):
    torch.manual_seed(0)
    return AttentionMIL(**supervised_parts(loss=None, **parts)).eval()


@pytest.mark.parametrize("dataset", [Tiny(), OneClass(), Values()])
def test_predictions_are_the_scores_of_the_task_beside_the_truth(dataset, tmp_path):
    corpus = dataset.load()
    data = SemiSupervisedDataModule(dataset, batch_size=7)
    subject, rows = method(task=corpus.task), data.rows("test")
    ids = corpus.clip_ids[rows]
    found = predict_clips(subject, data.batches("test"), corpus.classes, ids, corpus.task)
    logits = subject(data.clips("test")).detach()
    expected = {
        "multi_label": logits.sigmoid(),
        "multi_class": logits.exp() / logits.exp().sum(dim=1, keepdim=True),
        "regression": logits,
    }[corpus.task]
    np.testing.assert_allclose(found.scores, expected, rtol=1e-5, atol=1e-7)
    assert np.array_equal(found.targets, corpus.y[rows])
    assert np.array_equal(found.mask, corpus.mask[rows])
    found.save(tmp_path / "predictions.npz")
    assert str(arrays_in(tmp_path / "predictions.npz")["task"]) == corpus.task


def test_predictions_are_of_labels_where_nothing_else_is_said():
    nothing = np.zeros((0, 1), np.float32)
    assert Predictions(("a",), np.array([], str), nothing, nothing, nothing > 0).task == (
        "multi_label"
    )


@pytest.mark.parametrize("pooling", [AttentionPooling, MaxPooling])
@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_instances_are_those_of_each_clip_alone(pooling, task):
    data = SemiSupervisedDataModule(Tiny(variable_lengths=True), batch_size=7)
    subject = method(pooling=pooling, task=task.name)
    found = predict_instances(subject, data.batches("test"))
    corpus, rows = data.corpus, data.rows("test")
    assert np.array_equal(found.lengths, corpus.lengths[rows])
    assert len(set(found.lengths.tolist())) > 1
    nothing = torch.zeros(1, 3)
    for place, row in enumerate(rows):
        length = int(corpus.lengths[row])
        x = torch.from_numpy(corpus.x[[row], :length])
        logits, log_weights = subject.instances(Batch(x, nothing, nothing > 0))
        scores = task.scores(logits)[0].detach()
        np.testing.assert_allclose(found.scores[place, :length], scores, rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(
            found.weights[place, :length], log_weights[0].exp().detach(), rtol=1e-5, atol=1e-7
        )
        assert (found.scores[place, length:] == 0).all()
        assert (found.weights[place, length:] == 0).all()
        assert found.valid[place].tolist() == [t < length for t in range(5)]
    np.testing.assert_allclose(found.weights.sum(axis=1), 1, rtol=1e-5)


class EveryThird:
    """Makes an instance of every three samples of sound, and one of what is left."""

    task = REGRESSION

    def instances(self, batch):
        assert batch.lengths is None
        parts = batch.x.split(3, dim=1)
        logits = torch.stack([part.mean(dim=1, keepdim=True) for part in parts], dim=1)
        return Instances(logits, torch.zeros_like(logits))


def test_batches_whose_clips_have_different_numbers_of_instances_are_padded():
    nothing = torch.zeros(2, 1)
    loud = torch.full((2, 8), 7.0)  # padding too
    loud[0, :4], loud[1, :8] = torch.arange(4.0), torch.arange(8.0)
    padded = Batch(loud, nothing, nothing > 0, torch.tensor([4, 8]))
    full = Batch(torch.tensor([[3.0, 3.0], [5.0, 7.0]]), nothing, nothing > 0)
    found = predict_instances(EveryThird(), [padded, full])
    assert found.lengths.tolist() == [2, 3, 1, 1]
    expected = [[1, 3, 0], [1, 4, 6.5], [3, 0, 0], [6, 0, 0]]
    assert found.scores[..., 0].tolist() == expected
    assert found.valid.sum(axis=1).tolist() == [2, 3, 1, 1]
    assert (found.weights[..., 0] == found.valid).all()


def test_tasks_differ_in_what_they_make_of_instances():
    clips = SemiSupervisedDataModule(Tiny(), batch_size=50)
    scores = {
        task: predict_instances(method(task=task.name), clips.batches("test")).scores
        for task in TASKS
    }
    np.testing.assert_allclose(scores[MULTI_CLASS].sum(axis=2), 1, rtol=1e-5)
    values = torch.from_numpy(scores[REGRESSION])
    np.testing.assert_allclose(scores[MULTI_LABEL], values.sigmoid(), rtol=1e-5)
