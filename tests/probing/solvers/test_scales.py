"""Oracle: scikit-learn's StandardScaler on what was observed."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss, mean_squared_error
from sklearn.preprocessing import StandardScaler

from musicssl.evaluation.tasks import MULTI_CLASS, MULTI_LABEL, REGRESSION, TASKS
from musicssl.probing.base import Embeddings
from musicssl.probing.solvers.scales import loss_of_scores, outputs_of, scales_of


def clips():
    generator = torch.Generator().manual_seed(0)
    y = 5 + torch.randn(40, 3, generator=generator) * torch.tensor([1.0, 1000.0, 0.01])
    mask = torch.rand(40, 3, generator=generator) < 0.6
    h = 7 + torch.randn(40, 6, generator=generator) * torch.linspace(0.5, 2, 6)
    return Embeddings(h, y.where(mask, math.nan), mask)


def test_features_and_observed_targets_are_standardised_and_brought_back():
    h, y, mask = clips()
    scales = scales_of(clips(), REGRESSION)
    expected = StandardScaler().fit_transform(h.double().numpy())
    np.testing.assert_allclose(scales.features(h), expected, rtol=1e-9)
    expected = StandardScaler().fit_transform(y.double().numpy())  # leaves out NaN
    np.testing.assert_allclose(scales.targets(y), expected, rtol=1e-9)
    back = scales.values(scales.targets(y))
    torch.testing.assert_close(back[mask], y[mask].double())


@pytest.mark.parametrize("task", [MULTI_LABEL, MULTI_CLASS], ids=lambda task: task.name)
def test_classes_do_not_change(task):
    these = clips()
    scales = scales_of(these, task)
    seen = these.mask
    assert torch.equal(scales.targets(these.y)[seen], these.y[seen].double())
    assert torch.equal(scales.values(these.y)[seen], these.y[seen].double())


def test_a_target_that_is_constant_or_was_never_observed_has_a_unit_of_1():
    h, y, mask = clips()
    y, mask = y.clone(), mask.clone()
    y[:, 0], mask[:, 2] = 0.1, False
    scales = scales_of(Embeddings(h, y, mask), REGRESSION)
    assert scales.unit[[0, 2]].tolist() == [1, 1]
    assert scales.level[0].item() == pytest.approx(0.1)
    assert scales.level[2] == 0


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
