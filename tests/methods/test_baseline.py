"""Oracle: scikit-learn by hand on the same features."""

import numpy as np
import pytest
import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from threadpoolctl import threadpool_info

from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.errors import InputError
from musicssl.methods.base.fine_tuning import FineTuning
from musicssl.methods.baseline import Baseline
from tests.support.kinds import OneClass
from tests.support.tiny import Tiny
from tests.support.training_command import run

CLASSIFIERS = [
    LogisticRegression(C=1.0, max_iter=1000),
    SVC(C=1.0),
    RandomForestClassifier(10, random_state=0),
]


def baseline(classifier=CLASSIFIERS[0], task="multi_label", num_classes=3):
    sizes = {"num_features": 8, "num_instances": 5, "num_classes": num_classes}
    return Baseline(**sizes, features="instances", classifier=classifier, task=task)


def clips(num_clips=90, seed=0):
    rng = np.random.default_rng(seed)
    targets = (rng.random((num_clips, 3)) < 0.4).astype(np.float32)
    x = rng.normal(size=(num_clips, 8)) * rng.uniform(0.1, 9, 8) + 5
    x[:, :3] += 2 * targets
    mask = rng.random(targets.shape) < 0.7
    return x.astype(np.float32), targets, mask


def by_hand(classifier, x, values, test):
    """Standardise by the mean and deviation of the training clips, fit, and predict."""
    scaler = StandardScaler().fit(x)
    fitted = classifier.fit(scaler.transform(x), values)
    if isinstance(classifier, SVC):
        decision = fitted.decision_function(scaler.transform(test))
        if decision.ndim == 1:
            return np.stack([1 - 1 / (1 + np.exp(-decision)), 1 / (1 + np.exp(-decision))], 1)
        return np.exp(decision) / np.exp(decision).sum(axis=1, keepdims=True)
    return fitted.predict_proba(scaler.transform(test))


@pytest.mark.parametrize("classifier", CLASSIFIERS, ids=lambda c: type(c).__name__)
def test_each_class_is_scikit_learns_classifier_of_its_observed_clips(classifier):
    (x, targets, mask), (test, _, _) = clips(), clips(seed=1)
    method = baseline(classifier)
    method.fit(x, targets, mask)
    for c in range(3):
        seen = mask[:, c]
        expected = by_hand(classifier, x[seen], targets[seen, c], test)[:, 1]
        np.testing.assert_allclose(method.predict(test)[:, c], expected, rtol=1e-6)


@pytest.mark.parametrize("classifier", CLASSIFIERS, ids=lambda c: type(c).__name__)
def test_a_multi_class_corpus_has_one_classifier(classifier):
    (x, _, mask), (test, _, _) = clips(), clips(seed=1)
    answers = np.random.default_rng(2).integers(3, size=len(x))
    x[np.arange(len(x)), answers] += 3
    targets, mask = np.eye(4, dtype=np.float32)[answers], np.ones((len(x), 4), bool)
    mask[:20] = False
    mask[20, 1] = False  # the absence of one class does not say which one is present
    method = baseline(classifier, "multi_class", num_classes=4)
    method.fit(x, targets, mask)
    found = method.predict(test)
    expected = by_hand(classifier, x[21:], answers[21:], test)
    np.testing.assert_allclose(found[:, :3], expected, rtol=1e-6)
    assert (found[:, 3] == 0).all()  # a class without a training clip
    np.testing.assert_allclose(found.sum(axis=1), 1)


@pytest.mark.parametrize("task", ["multi_label", "multi_class"])
def test_decisions_of_a_support_vector_machine_are_its_own(task):
    (x, targets, _), (test, _, _) = clips(), clips(seed=1)
    if task == "multi_class":
        targets = np.eye(3, dtype=np.float32)[targets.argmax(axis=1)]
    method = baseline(SVC(), task)
    method.fit(x, targets, np.ones(targets.shape, bool))
    scores = method.predict(test)
    for c, model in enumerate(method.models):
        answer = scores.argmax(axis=1) if task == "multi_class" else scores[:, c] >= 0.5
        assert (answer == model.predict(test)).mean() > 0.99  # ties of votes aside


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_class_with_one_value_is_predicted_so_and_one_without_any_is_undecided(value):
    x, targets, mask = clips()
    targets[:, 1], mask[:, 2] = value, False
    method = baseline()
    method.fit(x, targets, mask)
    scores = method.predict(x)
    assert (scores[:, 1] == value).all()
    assert (scores[:, 2] == 0.5).all()
    assert len(np.unique(scores[:, 0])) > 10


class Threads(LogisticRegression):
    """Logistic regression that notes how many threads the algebra libraries may use."""

    def fit(self, x, y):
        self.threads_ = {pool["num_threads"] for pool in threadpool_info()}
        return super().fit(x, y)


def test_a_fit_uses_as_many_threads_as_torch():
    method, before, of_torch = baseline(Threads()), threadpool_info(), torch.get_num_threads()
    for threads in (1, 2):
        torch.set_num_threads(threads)
        method.fit(*clips())
        assert [model[-1].threads_ for model in method.models] == [{threads}] * 3
    torch.set_num_threads(of_torch)
    assert threadpool_info() == before


def test_a_corpus_with_one_class_in_training_answers_with_it():
    x, _, mask = clips()
    targets = np.eye(3, dtype=np.float32)[np.full(len(x), 1)]
    method = baseline(task="multi_class")
    method.fit(x, targets, np.ones_like(mask))
    assert method.predict(x[:2]).tolist() == [[0, 1, 0]] * 2
    method.fit(x, targets, np.zeros_like(mask))
    np.testing.assert_allclose(method.predict(x[:2]), 1 / 3)


@pytest.mark.parametrize("dataset", [Tiny(), OneClass(unlabelled=5)])
def test_it_learns_from_the_labels_that_the_run_may_see(dataset):
    module = SemiSupervisedDataModule(dataset, p_s=0.5, b_s=1.0, seed=3)
    module.setup()
    method = baseline(task=module.corpus.task)
    method.learn(module, None)
    train, test = module.clips("train"), module.clips("test")

    def features(batch):
        x = batch.x.numpy()
        return np.concatenate([x.mean(axis=1), x.std(axis=1)], axis=1)

    other = baseline(task=module.corpus.task)
    seen = train.mask.any(dim=1).numpy()
    x, y, mask = features(train)[seen], train.y.numpy()[seen], train.mask.numpy()[seen]
    assert len(x) == len(module.labelled()) < len(train.x)
    other.fit(x, y, mask)
    np.testing.assert_allclose(method.scores(test), other.predict(features(test)), rtol=1e-4)


@pytest.mark.filterwarnings("error")
def test_many_classes_with_few_clips_each_are_no_regression():
    """scikit-learn warns of that from 21 clips on, and nobody could do anything about it."""
    x = np.random.default_rng(0).normal(size=(24, 8)).astype(np.float32)
    targets = np.eye(15, dtype=np.float32)[np.arange(24) % 15]
    method = baseline(task="multi_class", num_classes=15)
    method.fit(x, targets, np.ones((24, 15), bool))
    assert method.predict(x).shape == (24, 15)


def test_what_it_cannot_do_is_said():
    with pytest.raises(InputError, match="classifies, but this corpus is a regression"):
        baseline(task="regression")
    with pytest.raises(InputError, match=r"baseline.classifier must be a classifier of scikit"):
        baseline({"C": 1})
    with pytest.raises(InputError, match="no network to start from"):
        baseline().start_from({})
    with pytest.raises(InputError, match=r"leave finetune\.frozen out"):
        baseline().fine_tune(FineTuning(frozen=["encoder"]))


@pytest.mark.parametrize("option", ["instances_lr", "svm", "forest"])
def test_each_option_runs_and_is_named_after_itself(tmp_path, option):
    chosen = ("method=baseline", f"baseline={option}", "baseline.features=instances")
    folder = run(tmp_path / "run", *chosen, "dataset.num_clips=400")
    assert folder.result()["macro"]["auroc"] > 0.8
    assert folder.settings()["name"] == option
