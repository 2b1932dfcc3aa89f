"""Oracle: a sum of squares, whose minimum has a closed form, and one whose curvature vanishes."""

from dataclasses import dataclass, replace

import pytest
import torch

from musicssl.probing.solvers.newton import Problem, length, minimise

N, G, D = 40, 3, 5
STRENGTHS = torch.tensor([1e-4, 1.0, 1e2], dtype=torch.float64)


@dataclass
class Squares:
    """Half the squared distance of the logits from targets, (P, G, N)."""

    targets: torch.Tensor

    def only(self, problems):
        return replace(self, targets=self.targets[problems])

    def to(self, dtype):
        return replace(self, targets=self.targets.to(dtype))

    def slope(self, logits):
        return logits - self.targets

    def weights(self, logits):
        return torch.ones_like(logits)

    def curved(self, weights, moved):
        return weights * moved


class Roots(Squares):
    """The root of 1 + distance^2: a full step of Newton's from afar leads away."""

    def slope(self, logits):
        distance = logits - self.targets
        return distance / (1 + distance.square()).sqrt()

    def weights(self, logits):
        return (1 + (logits - self.targets).square()) ** -1.5


def given(problems=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(N, D + 1, generator=generator, dtype=torch.float64)
    features[:, -1] = 1
    targets = torch.randn(problems, G, N, generator=generator, dtype=torch.float64)
    return features, targets


def minimum_of_squares(features, targets, strength):
    penalty = torch.eye(D + 1, dtype=torch.float64)
    penalty[-1, -1] = 0
    normal = penalty + strength * features.T @ features
    return torch.linalg.solve(normal, strength * features.T @ targets.T).T


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
def test_sums_of_squares_are_solved_for_strengths_a_million_apart(dtype, tolerance):
    features, targets = given()
    scale = torch.rand(3, G, D + 1, generator=torch.Generator().manual_seed(1)).double() + 0.5
    start = torch.zeros_like(scale)
    problem = Problem(features, STRENGTHS, Squares(targets), scale).to(dtype)
    near = tolerance * length(problem.gradient(start.to(dtype), problem.logits(start.to(dtype))))
    found = minimise(problem, start.to(dtype), near)
    assert found.dtype == dtype
    for strength, y, parameters in zip(STRENGTHS, targets, found.double(), strict=True):
        expected = minimum_of_squares(features, y, strength)
        torch.testing.assert_close(parameters, expected, rtol=0, atol=10 * tolerance)


def test_problems_do_not_disturb_each_other_and_the_solved_ones_leave():
    """Nine problems, some of which begin at their solution."""
    features, targets = given(9)
    strengths = torch.logspace(-4, 2, 9, dtype=torch.float64)
    scale = torch.ones(9, G, D + 1, dtype=torch.float64)
    start = torch.zeros_like(scale)
    for place in (0, 4, 8):
        start[place] = minimum_of_squares(features, targets[place], strengths[place])
    problem = Problem(features, strengths, Squares(targets), scale)
    near = torch.full((9,), 1e-8, dtype=torch.float64)
    together = minimise(problem, start, near)
    for place in range(9):
        one = torch.tensor([place])
        alone = minimise(problem.only(one), start[one], near[one])
        torch.testing.assert_close(together[one], alone, rtol=0, atol=1e-12)
        if place in (0, 4, 8):
            assert torch.equal(together[one], start[one])


def test_steps_that_would_lead_away_are_halved():
    features, targets = given()
    start = torch.zeros(3, G, D + 1, dtype=torch.float64)
    start[..., -1] = 5  # where the curvature is a hundredth of that at the minimum
    problem = Problem(features, STRENGTHS, Roots(targets), torch.ones_like(start))
    found = minimise(problem, start, torch.full((3,), 1e-6, dtype=torch.float64))
    for strength, y, parameters in zip(STRENGTHS, targets, found, strict=True):
        at = parameters.clone().requires_grad_()
        losses = (1 + (at @ features.T - y).square()).sqrt().sum()
        (0.5 * at[:, :-1].square().sum() + strength * losses).backward()
        assert at.grad.abs().max() < 2e-6


def test_what_is_solved_already_stays():
    features, targets = given(1)
    start = torch.zeros(1, G, D + 1, dtype=torch.float64)
    problem = Problem(features, STRENGTHS[1:2], Squares(0 * targets), torch.ones_like(start))
    assert torch.equal(minimise(problem, start, torch.zeros(1, dtype=torch.float64)), start)
