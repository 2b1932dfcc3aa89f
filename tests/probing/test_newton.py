"""Oracle: a sum of squares, whose minimum has a closed form, and one whose curvature vanishes."""

import pytest
import torch

from musicssl.probing.newton import Problem, minimise

N, C, D = 40, 3, 5


class Squares:
    """Half the squared distance of the logits from targets, (C, N)."""

    def __init__(self, targets, dims):
        self.targets, self.dims = targets, dims

    def loss(self, logits):
        return 0.5 * (logits - self.targets).square().sum(self.dims, keepdim=True)

    def probabilities(self, logits):
        return logits

    def gradient(self, p):
        return p - self.targets

    def curvature(self, p, direction):
        return direction


class Roots:
    """The root of 1 + distance^2, (C, N): a full step of Newton's from afar leads away."""

    dims = (2,)

    def __init__(self, targets):
        self.targets = targets

    def loss(self, logits):
        return (1 + (logits - self.targets).square()).sqrt().sum(2, keepdim=True)

    def probabilities(self, logits):
        return logits - self.targets

    def gradient(self, p):
        return p / (1 + p.square()).sqrt()

    def curvature(self, p, direction):
        return direction * (1 + p.square()) ** -1.5


def given(seed=0):
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(N, D + 1, generator=generator, dtype=torch.float64)
    features[:, -1] = 1
    targets = torch.randn(C, N, generator=generator, dtype=torch.float64)
    return features, targets


@pytest.mark.parametrize("dims", [(2,), (1, 2)])
def test_sums_of_squares_are_solved_for_strengths_a_million_apart(dims):
    features, targets = given()
    strengths = torch.tensor([1e-4, 1.0, 1e2], dtype=torch.float64)
    scale = torch.rand(3, C, D + 1, generator=torch.Generator().manual_seed(1)).double() + 0.5
    start = torch.zeros(3, C, D + 1, dtype=torch.float64)
    found = minimise(Problem(features, strengths, Squares(targets, dims), scale), start)
    penalty = torch.eye(D + 1, dtype=torch.float64)
    penalty[-1, -1] = 0
    for strength, parameters in zip(strengths, found, strict=True):
        normal = penalty + strength * features.T @ features
        expected = torch.linalg.solve(normal, strength * features.T @ targets.T).T
        torch.testing.assert_close(parameters, expected, rtol=1e-3, atol=1e-4)


def test_steps_that_would_lead_away_are_halved():
    features, targets = given()
    strengths = torch.tensor([1.0, 50.0], dtype=torch.float64)
    start = torch.zeros(2, C, D + 1, dtype=torch.float64)
    start[..., -1] = 5  # where the curvature is a hundredth of that at the minimum
    problem = Problem(features, strengths, Roots(targets), torch.ones_like(start))
    found = minimise(problem, start)
    values, gradients = [], []
    for at in (start, found):
        parameters = at.clone().requires_grad_()
        values.append(problem.value(parameters, problem.logits(parameters)))
        values[-1].sum().backward()
        gradients.append(parameters.grad.abs())
    assert (values[1] < values[0]).all()
    assert (gradients[1] < 1e-4 * gradients[0].amax()).all()


def test_what_is_solved_already_stays():
    features, targets = given()
    problem = Problem(
        features, torch.ones(1).double(), Squares(0 * targets, (2,)), torch.ones(1, C, D + 1)
    )
    start = torch.zeros(1, C, D + 1, dtype=torch.float64)
    assert torch.equal(minimise(problem, start), start)
