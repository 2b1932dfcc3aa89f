"""Oracles: closed forms, scikit-learn's dummies, and every other constant answer."""

import numpy as np
import pytest
import torch
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.metrics import accuracy_score, r2_score, root_mean_squared_error
from torch.nn.functional import one_hot

from musicssl.datasets.giantsteps_key import mirex_credit
from musicssl.evaluation.chance import chance
from musicssl.evaluation.tasks import MULTI_CLASS, MULTI_LABEL, REGRESSION


def draw(task, num_clips, seed, num_classes=4):
    """Targets and mask; what is not observed is NaN."""
    rng = np.random.default_rng(seed)
    shape = (num_clips, num_classes)
    mask = rng.random(shape) < 0.6
    if task is MULTI_LABEL:
        y = rng.random(shape) < [0.1, 0.3, 0.6, 0.9]
    elif task is MULTI_CLASS:
        y = np.eye(num_classes)[rng.choice(num_classes, num_clips, p=[0.2, 0.2, 0.5, 0.1])]
        mask = np.repeat(mask[:, :1], num_classes, axis=1)
    else:
        y = rng.normal(loc=3, size=shape)
    values = np.where(mask, y, np.nan).astype(np.float32)
    return torch.from_numpy(values), torch.from_numpy(mask)


def test_labels_are_ordered_by_nothing_and_decided_by_what_is_more_common():
    train, (y, mask) = draw(MULTI_LABEL, 300, 0), draw(MULTI_LABEL, 80, 1)
    result = chance(*train, y, mask, MULTI_LABEL)
    prevalence = y.nanmean(dim=0)
    assert result["auroc"] == pytest.approx(0.5)
    assert result["average_precision"] == pytest.approx(float(prevalence.mean()))
    f1 = 2 * prevalence / (1 + prevalence) * torch.tensor([0, 0, 1, 1])
    assert result["f1"] == pytest.approx(float(f1.mean()))


def test_the_class_is_the_most_frequent_one_in_training():
    (train_y, train_mask), (y, mask) = draw(MULTI_CLASS, 200, 0), draw(MULTI_CLASS, 70, 1)
    result = chance(train_y, train_mask, y, mask, MULTI_CLASS)
    learnt, asked = train_y[train_mask[:, 0]].argmax(1), y[mask[:, 0]].argmax(1)
    dummy = DummyClassifier(strategy="most_frequent").fit(np.zeros((len(learnt), 1)), learnt)
    guess = dummy.predict(np.zeros((len(asked), 1)))
    assert result["accuracy"] == pytest.approx(accuracy_score(asked, guess))
    assert result["balanced_accuracy"] == pytest.approx(1 / 4)
    assert result["auroc"] == 0.5
    assert "weighted_accuracy" not in result


def test_the_mean_of_the_training_targets_explains_nothing():
    (train_y, train_mask), (y, mask) = draw(REGRESSION, 60, 0), draw(REGRESSION, 30, 1)
    result = chance(train_y, train_mask, y, mask, REGRESSION)
    r2, rmse = [], []
    for c in range(4):
        learnt, asked = train_y[train_mask[:, c], c], y[mask[:, c], c]
        dummy = DummyRegressor().fit(np.zeros((len(learnt), 1)), learnt)
        guess = dummy.predict(np.zeros((len(asked), 1)))
        r2.append(r2_score(asked, guess))
        rmse.append(root_mean_squared_error(asked, guess))
    assert result["r2"] == pytest.approx(np.mean(r2), abs=1e-6)
    assert result["r2"] < 0
    assert result["rmse"] == pytest.approx(np.mean(rmse))


def test_on_the_clips_it_learnt_from_the_mean_explains_exactly_0():
    train = draw(REGRESSION, 60, 0)
    assert chance(*train, *train, REGRESSION)["r2"] == pytest.approx(0, abs=1e-9)


def test_the_key_earns_the_most_credit_on_the_clips_that_it_was_chosen_by():
    credit, rng = mirex_credit(), np.random.default_rng(0)
    keys = rng.choice(24, 150, p=rng.dirichlet(np.ones(24)))
    y, mask = one_hot(torch.from_numpy(keys), 24).float(), torch.ones(150, 24, dtype=torch.bool)
    result = chance(y, mask, y, mask, MULTI_CLASS, credit)
    of_every_key = [np.mean([credit[answer, key] for key in keys]) for answer in range(24)]
    assert result["weighted_accuracy"] == pytest.approx(max(of_every_key))
    assert result["accuracy"] == pytest.approx(np.bincount(keys).max() / 150)


def test_the_key_that_earns_most_need_not_be_the_most_frequent():
    credit = np.array([[1, 0, 0], [0.9, 1, 0.9], [0, 0, 1]], np.float32)
    y = one_hot(torch.tensor([0, 0, 0, 2, 2, 2, 2, 1]), 3).float()
    mask = torch.ones_like(y, dtype=torch.bool)
    result = chance(y, mask, y, mask, MULTI_CLASS, credit)
    assert result["weighted_accuracy"] == pytest.approx((1 + 7 * 0.9) / 8)
    assert result["accuracy"] == 4 / 8


@pytest.mark.parametrize("task", [MULTI_LABEL, REGRESSION], ids=lambda task: task.name)
def test_a_class_without_a_training_label_is_left_out(task):
    (train_y, train_mask), (y, mask) = draw(task, 60, 0), draw(task, 30, 1)
    without = train_mask.clone()
    without[:, 0] = False
    expected = chance(train_y[:, 1:], train_mask[:, 1:], y[:, 1:], mask[:, 1:], task)
    assert chance(train_y, without, y, mask, task) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("task", [MULTI_LABEL, MULTI_CLASS, REGRESSION], ids=lambda t: t.name)
def test_without_training_labels_nothing_is_known(task):
    (train_y, train_mask), test = draw(task, 60, 0), draw(task, 30, 1)
    nothing = torch.zeros_like(train_mask)
    nothing[0, 0] = task is MULTI_CLASS  # a class is not known by one cell of several
    result = chance(train_y, nothing, *test, task)
    assert np.isnan(list(result.values())).all()
