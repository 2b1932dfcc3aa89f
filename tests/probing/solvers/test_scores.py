"""Oracles: the task's own scores, and scikit-learn's log loss."""

import math

import pytest
import torch
from sklearn.metrics import log_loss, mean_squared_error

from musicssl.evaluation.tasks import MULTI_CLASS, MULTI_LABEL, REGRESSION, TASKS
from musicssl.probing.solvers.scores import loss_of_scores, outputs_of


def drawn(task, seed=0):
    outputs = torch.randn(30, 4, generator=torch.Generator().manual_seed(seed))
    return task.scores(2 * outputs)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_outputs_have_these_scores(task):
    scores = drawn(task)
    torch.testing.assert_close(task.scores(outputs_of(scores, task)), scores)


def test_the_loss_of_probabilities_is_scikit_learns_of_what_was_observed():
    generator = torch.Generator().manual_seed(1)
    y = (torch.rand(30, 4, generator=generator) < 0.4).float()
    mask = torch.rand(30, 4, generator=generator) < 0.6
    scores = drawn(MULTI_LABEL)
    expected = log_loss(y[mask], scores[mask].double())
    found = loss_of_scores(scores, y.where(mask, math.nan), mask, MULTI_LABEL)
    assert found == pytest.approx(expected, rel=1e-5)


def test_the_loss_of_one_class_of_several_is_scikit_learns_and_sums_do_not_count():
    answers = torch.randint(4, (30,), generator=torch.Generator().manual_seed(1))
    y = torch.nn.functional.one_hot(answers, 4).float()
    mask = torch.ones_like(y, dtype=torch.bool)
    scores = drawn(MULTI_CLASS)
    shares = scores.double() / scores.double().sum(1, keepdim=True)
    expected = log_loss(answers, shares, labels=range(4))
    assert loss_of_scores(scores, y, mask, MULTI_CLASS) == pytest.approx(expected, rel=1e-5)
    assert loss_of_scores(scores / 3, y, mask, MULTI_CLASS) == pytest.approx(expected, rel=1e-5)


def test_the_loss_of_values_is_their_squared_error():
    scores, y = drawn(REGRESSION), drawn(REGRESSION, seed=1)
    mask = torch.ones_like(y, dtype=torch.bool)
    expected = mean_squared_error(y, scores)
    assert loss_of_scores(scores, y, mask, REGRESSION) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("task", [MULTI_LABEL, MULTI_CLASS], ids=lambda task: task.name)
def test_the_impossible_costs_as_much_as_a_millionth(task):
    scores, y = torch.tensor([[0.0, 1.0]]), torch.tensor([[1.0, 0.0]])
    found = loss_of_scores(scores, y, torch.ones_like(y, dtype=torch.bool), task)
    assert found == pytest.approx(-math.log(1e-6), rel=1e-2)  # 1 - 1e-6 is rounded in float32
