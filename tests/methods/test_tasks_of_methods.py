"""Every method on every kind of targets: what it learns, what it says, what it refuses."""

from functools import partial

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, r2_score

from musicssl.batch import Batch
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.encoders.att import AttEmbedding
from musicssl.errors import InputError
from musicssl.losses.balanced_bce import balanced_bce
from musicssl.losses.cross_entropy import cross_entropy
from musicssl.losses.masked_bce import masked_bce
from musicssl.losses.squared_error import squared_error
from musicssl.methods.att import AttentionMIL
from musicssl.methods.fixmatch import FixMatch
from musicssl.methods.mean_teacher import MeanTeacher
from musicssl.methods.pi_model import PiModel
from musicssl.methods.random_forest import RandomForest
from musicssl.methods.supervised import Supervised
from musicssl.methods.temporal_ensembling import TemporalEnsembling
from musicssl.networks.pooling import AttentionPooling, MeanPooling
from musicssl.networks.teacher import Teacher
from musicssl.networks.thresholds.prior import PriorMatchedThresholds
from tests.support.kinds import OneClass, Values
from tests.support.quick import slow_after
from tests.support.training import quiet_trainer, semi_supervised_parts, supervised_parts

CONSISTENT = [MeanTeacher, PiModel, TemporalEnsembling]
MAIN = {"multi_class": "val/accuracy", "regression": "val/r2"}
CORPORA = {"multi_class": OneClass(unlabelled=20), "regression": Values()}


def method(kind, task, **changes):
    torch.manual_seed(0)
    parts = supervised_parts if kind is AttentionMIL else semi_supervised_parts
    return kind(**parts(**({"task": task, "loss": None, "pooling": MeanPooling} | changes)))


def data(task, **settings):
    return SemiSupervisedDataModule(CORPORA[task], **({"b_s": 0.5, "batch_size": 16} | settings))


@pytest.mark.parametrize("task", CORPORA)
@pytest.mark.parametrize("kind", [AttentionMIL, Supervised, *CONSISTENT])
def test_each_task_is_trained_validated_and_scored(tmp_path, kind, task):
    subject, clips = method(kind, task), data(task)
    trainer = quiet_trainer(tmp_path, max_epochs=2)
    trainer.fit(subject, clips)
    assert MAIN[task] in trainer.callback_metrics
    trainer.test(subject, clips, verbose=False)
    test = clips.clips("test")
    with torch.inference_mode():
        scores = subject.eval().scores(test)
    expected = subject.task.metrics(scores, test.y, test.mask).macro
    for name, value in expected.items():
        assert trainer.callback_metrics[f"test/{name}"].item() == pytest.approx(value, rel=1e-4)
    loss = {"multi_class": cross_entropy, "regression": squared_error}[task]
    logged = trainer.callback_metrics["test/loss"].item()
    with torch.inference_mode():
        assert logged == pytest.approx(loss(subject(test), test.y, test.mask).item(), rel=1e-4)


def test_one_class_a_clip_is_learnt(tmp_path):
    subject, clips = method(AttentionMIL, "multi_class"), data("multi_class")
    quiet_trainer(tmp_path, max_epochs=25, limit_val_batches=0).fit(subject, clips)
    test = clips.clips("test")
    with torch.inference_mode():
        scores = subject.eval().scores(test)
    known = test.mask.all(dim=1)
    truth, answers = test.y[known].argmax(dim=1), scores[known].argmax(dim=1)
    assert accuracy_score(truth, answers) > 0.9
    torch.testing.assert_close(scores.sum(dim=1), torch.ones(len(scores)))


@pytest.mark.parametrize("pooling", slow_after(1, [MeanPooling, AttentionPooling]))
def test_values_are_learnt(tmp_path, pooling):
    still = partial(AttEmbedding, dropout=0.0)
    subject = method(AttentionMIL, "regression", encoder=still, pooling=pooling)
    clips = data("regression", b_s=1.0)
    quiet_trainer(tmp_path, max_epochs=60, limit_val_batches=0).fit(subject, clips)
    test = clips.clips("test")
    with torch.inference_mode():
        values = subject.eval().scores(test)
    for c in range(3):
        seen = test.mask[:, c]
        assert r2_score(test.y[seen, c], values[seen, c]) > 0.5, c


@pytest.mark.parametrize("task", CORPORA)
@pytest.mark.parametrize("kind", CONSISTENT)
def test_consistency_is_of_what_the_task_makes_of_logits(tmp_path, kind, task):
    """Distances of logits would be others: of probabilities where there are any."""
    teacher = partial(Teacher, batch_norm="own" if kind is MeanTeacher else "averaged")
    subject, clips = method(kind, task, teacher=teacher), data(task)
    trainer = quiet_trainer(tmp_path, max_steps=3, limit_val_batches=0)
    trainer.fit(subject, clips)
    answers = []
    usual = subject.answers

    def listen(network, batch):
        answers.append(usual(network, batch))
        return answers[-1]

    subject.answers = listen
    batch = clips.clips("train")
    if kind is TemporalEnsembling:
        subject.ensemble.sums.zero_()
        subject.ensemble.counts.zero_()
        subject.step(batch)
    found = subject.step(batch).consistency
    first, second = answers[-2:]
    if task == "multi_class":
        first, second = (a.exp() / a.exp().sum(dim=1, keepdim=True) for a in (first, second))
    torch.testing.assert_close(found, (first - second).square().mean())
    assert found > 0


@pytest.mark.parametrize(
    ("kind", "task", "loss"),
    [
        (AttentionMIL, "multi_label", cross_entropy),
        (AttentionMIL, "multi_label", squared_error),
        (MeanTeacher, "multi_class", balanced_bce),
        (Supervised, "regression", masked_bce),
    ],
)
def test_a_loss_for_other_targets_is_refused_as_the_method_is_built(kind, task, loss):
    with pytest.raises(InputError, match=f"loss={loss.__name__} is not for targets of the kind"):
        method(kind, task, loss=partial(loss))


def test_one_class_may_be_learnt_as_one_against_the_rest(tmp_path):
    subject = method(AttentionMIL, "multi_class", loss=masked_bce)
    trainer = quiet_trainer(tmp_path)
    clips = data("multi_class")
    trainer.fit(subject, clips)
    val = clips.clips("val")
    expected = masked_bce(subject.eval()(val), val.y, val.mask)
    assert trainer.callback_metrics["val/loss"].item() == pytest.approx(expected.item(), rel=1e-4)


def test_fixmatch_refuses_a_regression():
    with pytest.raises(InputError, match=r"fixmatch .* are regression; choose method=mean_teacher"):
        method(FixMatch, "regression", thresholds=PriorMatchedThresholds)


def test_a_forest_refuses_a_regression_and_sound():
    sizes = {"num_features": 1, "num_instances": 4, "num_classes": 3}
    with pytest.raises(InputError, match="random_forest classifies, but this corpus is a regress"):
        RandomForest(**sizes, task="regression")
    sound = Batch(torch.rand(5, 4), torch.ones(5, 3), torch.ones(5, 3, dtype=torch.bool))
    with pytest.raises(InputError, match="reads instances, but the data are sound; add feat"):
        RandomForest(**sizes).fit(sound)


def test_a_forest_answers_with_one_class():
    clips = data("multi_class", b_s=1.0)
    sizes = {name: clips.sizes[name] for name in ("num_features", "num_instances", "num_classes")}
    forest = RandomForest(**sizes, task="multi_class", num_trees=20)
    forest.fit(clips.clips("train"))
    test = clips.clips("test")
    known = test.mask.all(dim=1)
    answers = forest.scores(test)[known].argmax(dim=1)
    assert np.mean(answers.numpy() == test.y[known].argmax(dim=1).numpy()) > 0.9


def test_answers_about_clips_of_a_second_corpus_are_remembered_too(tmp_path):
    clips = data("multi_class", unlabelled=OneClass(num_clips=300, seed=1))
    subject = method(TemporalEnsembling, "multi_class")
    quiet_trainer(tmp_path, max_epochs=2, limit_val_batches=0).fit(subject, clips)
    pool = clips.batch_plan().unlabelled.pool
    assert pool.min() >= 120  # they are numbered after those of the first
    assert (subject.ensemble.counts[torch.from_numpy(pool)] > 0).any()
    assert len(subject.ensemble.counts) == pool.max() + 1
