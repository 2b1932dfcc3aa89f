"""Oracles: equations 1 to 5 in loops, lightly's loss for two views, and constructed cases."""

import math
from itertools import combinations

import pytest
import torch
from lightly.loss import VICRegLoss

from musicssl.losses.vicreg import vicreg_terms


def projections(clips=6, views=2, dim=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return 0.7 * torch.randn(clips, views, dim, generator=generator, dtype=torch.float64) + 0.3


def by_hand(z):
    """Return the three terms of lists of numbers, z[clip][view][dimension]."""
    clips, views, dims = len(z), len(z[0]), len(z[0][0])
    pairs = list(combinations(range(views), 2))
    invariance = sum(
        (z[b][v][i] - z[b][w][i]) ** 2 for b in range(clips) for v, w in pairs for i in range(dims)
    ) / (clips * dims * len(pairs))
    variance = covariance = 0.0
    for v in range(views):
        mean = [sum(z[b][v][i] for b in range(clips)) / clips for i in range(dims)]
        for i in range(dims):
            for j in range(dims):
                products = [(z[b][v][i] - mean[i]) * (z[b][v][j] - mean[j]) for b in range(clips)]
                c = sum(products) / (clips - 1)
                if i == j:
                    variance += max(0, 1 - math.sqrt(c + 1e-4)) / dims / views
                else:
                    covariance += 2 * c**2 / dims / views
    return invariance, variance, covariance


@pytest.mark.parametrize("views", [2, 3])
def test_the_terms_are_those_of_the_equations_in_loops(views):
    z = projections(views=views)
    assert [term.item() for term in vicreg_terms(z)] == pytest.approx(by_hand(z.tolist()), rel=1e-9)


def test_weighed_as_published_two_views_have_lightlys_loss_and_gradient():
    z = projections(clips=16, dim=8).requires_grad_()
    invariance, variance, covariance = vicreg_terms(z)
    ours = 25 * invariance + 25 * variance + covariance
    theirs = VICRegLoss(lambda_param=25, mu_param=25, nu_param=1, eps=1e-4)(z[:, 0], z[:, 1])
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(*(torch.autograd.grad(loss, z)[0] for loss in (ours, theirs)))


def test_gradients_are_those_of_finite_differences():
    assert torch.autograd.gradcheck(vicreg_terms, projections(clips=4, views=3).requires_grad_())


def test_equal_views_of_wide_uncorrelated_dimensions_cost_nothing():
    signs = torch.tensor([[2.0, 2], [2, -2], [-2, 2], [-2, -2]])
    assert tuple(vicreg_terms(signs[:, None].repeat(1, 2, 1))) == (0, 0, 0)


@pytest.mark.parametrize("clips", [5, 1])
def test_collapsed_projections_cost_all_the_variance_and_have_a_gradient(clips):
    z = torch.full((clips, 2, 3), 0.5, requires_grad=True)
    terms = vicreg_terms(z)
    assert [term.item() for term in terms] == pytest.approx([0, 1 - 1e-2, 0], abs=1e-6)
    sum(terms).backward()
    assert z.grad.isfinite().all()


def test_half_precision_is_compared_in_single_precision_also_under_autocast():
    z = projections().half()
    expected = vicreg_terms(z.float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = vicreg_terms(z)
    for term, value in zip(found, expected, strict=True):
        assert term.dtype == torch.float32
        assert torch.equal(term, value)
