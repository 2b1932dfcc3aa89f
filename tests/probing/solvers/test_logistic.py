"""Oracle: at the minimum, the derivative of what is minimised, by autograd, is 0.

`test_linear.py` compares with scikit-learn, which knows no soft targets.
"""

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from musicssl.probing.solvers import logistic
from musicssl.probing.solvers.logistic import logistic_regressions, softmax_regression

N, C, D = 80, 4, 10
TIGHT = 1e-9
STRENGTHS = torch.tensor([1e-4, 1e-2, 1.0, 1e2], dtype=torch.float64)


def features(collinear=False):
    z = torch.randn(N, D, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    if collinear:
        z[:, 1] = z[:, 0] + 1e-6 * z[:, 1]
    return z


def targets(softness):
    generator = torch.Generator().manual_seed(1)
    values = features()[:, :C] + torch.randn(N, C, generator=generator, dtype=torch.float64)
    hard = torch.nn.functional.one_hot(values.argmax(1), C).double()
    return hard * (1 - softness) + softness / C


def assert_minimal(value, weights, biases):
    """Assert that the derivative is small beside that at weights of 0."""
    gradients = []
    for at in (weights, torch.zeros_like(weights)):
        parts = [at.clone().requires_grad_(), biases.clone().requires_grad_()]
        value(*parts).backward()
        gradients.append([part.grad for part in parts])
    (of_weights, of_biases), (first, _) = gradients
    for strength in range(len(STRENGTHS)):
        size = first[strength].abs().max()
        assert of_weights[strength].abs().max() < 1e-6 * size
        assert of_biases[strength].abs().max() < 1e-6 * size


@pytest.mark.parametrize("softness", [0.0, 0.3])
@pytest.mark.parametrize("collinear", [False, True])
def test_nothing_would_improve_the_fit_of_each_class(softness, collinear):
    z, y = features(collinear), targets(softness)
    mask = torch.rand(N, C, generator=torch.Generator().manual_seed(2)) < 0.6

    def value(weights, biases):
        logits = z @ weights.mT + biases[:, None]  # (R, N, C)
        wide = y.expand_as(logits)
        losses = binary_cross_entropy_with_logits(logits, wide, reduction="none") * mask
        return (0.5 * weights.square().sum((1, 2)) + STRENGTHS * losses.sum((1, 2))).sum()

    assert_minimal(value, *logistic_regressions(z, y, mask, STRENGTHS, TIGHT))


@pytest.mark.parametrize("softness", [0.0, 0.3])
@pytest.mark.parametrize("collinear", [False, True])
def test_nothing_would_improve_the_fit_of_all_classes(softness, collinear):
    z, y = features(collinear), targets(softness)

    def value(weights, biases):
        logits = (z @ weights.mT + biases[:, None]).transpose(1, 2)  # (R, C, N)
        losses = cross_entropy(logits, y.T.expand_as(logits), reduction="none")  # (R, N)
        return (0.5 * weights.square().sum((1, 2)) + STRENGTHS * losses.sum(1)).sum()

    assert_minimal(value, *softmax_regression(z, y, STRENGTHS, TIGHT))


def test_strengths_do_not_disturb_each_other():
    z, y = features(), targets(0)
    mask = torch.ones(N, C, dtype=torch.bool)
    together = logistic_regressions(z, y, mask, STRENGTHS, TIGHT)
    for place, strength in enumerate(STRENGTHS):
        alone = logistic_regressions(z, y, mask, strength[None], TIGHT)
        for one, other in zip(together, alone, strict=True):
            torch.testing.assert_close(one[place], other[0], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("at_once", [1, 5 * N, 7 * N])
def test_many_problems_are_solved_in_parts_to_the_same_end(monkeypatch, at_once):
    z, y = features(), targets(0)
    mask = torch.ones(N, C, dtype=torch.bool)

    def fitted():
        binary = logistic_regressions(z, y, mask, STRENGTHS, TIGHT)
        return *binary, *softmax_regression(z, y, STRENGTHS, TIGHT)

    whole = fitted()
    monkeypatch.setattr(logistic, "_AT_ONCE", at_once)
    for one, other in zip(whole, fitted(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("tolerance", [1e-2, 1e-4, 1e-6, 1e-8])
def test_probabilities_are_as_near_to_the_minimum_as_the_tolerance_says(tolerance):
    z, y = features(), targets(0)
    mask = torch.ones(N, C, dtype=torch.bool)

    def probabilities(tolerance):
        weights, biases = logistic_regressions(z, y, mask, STRENGTHS, tolerance)
        return (z @ weights.mT + biases[:, None]).sigmoid()

    error = (probabilities(tolerance) - probabilities(1e-12)).abs().max()
    assert error < 10 * tolerance
