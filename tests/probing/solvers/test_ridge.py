"""Oracle: the normal equations with a column of ones; `test_linear.py` has scikit-learn's Ridge."""

import pytest
import torch

from musicssl.probing.solvers.ridge import principal_axes, ridge_regressions

N, C, D = 30, 2, 5


def test_normal_equations_hold_at_every_strength_for_what_was_observed():
    generator = torch.Generator().manual_seed(0)
    z, y = (torch.randn(N, k, generator=generator, dtype=torch.float64) + 3 for k in (D, C))
    mask = torch.rand(N, C, generator=generator) < 0.7
    strengths = torch.tensor([1e-4, 1.0, 1e3], dtype=torch.float64)
    weights, biases = ridge_regressions(z, y.where(mask, torch.nan), mask, strengths)
    penalty = torch.eye(D + 1, dtype=torch.float64)
    penalty[-1, -1] = 0
    for place, strength in enumerate(strengths):
        for c, seen in enumerate(mask.T):
            x = torch.cat([z[seen], torch.ones(int(seen.sum()), 1, dtype=torch.float64)], dim=1)
            expected = torch.linalg.solve(
                penalty + 2 * strength * x.T @ x, 2 * strength * x.T @ y[seen, c]
            )
            torch.testing.assert_close(weights[place, c], expected[:-1])
            torch.testing.assert_close(biases[place, c], expected[-1])


def test_targets_observed_in_the_same_clips_are_fitted_as_each_by_itself():
    generator = torch.Generator().manual_seed(0)
    z, y = (torch.randn(N, k, generator=generator, dtype=torch.float64) for k in (D, 4))
    mask = (torch.rand(N, 2, generator=generator) < 0.7)[:, [0, 1, 0, 1]]
    strengths = torch.tensor([1e-2, 1.0], dtype=torch.float64)
    weights, biases = ridge_regressions(z, y, mask, strengths)
    for c in range(4):
        one = slice(c, c + 1)
        alone = ridge_regressions(z, y[:, one], mask[:, one], strengths)
        torch.testing.assert_close(weights[:, one], alone[0])
        torch.testing.assert_close(biases[:, one], alone[1])


def test_more_features_than_clips_and_targets_that_were_never_observed_do_no_harm():
    z = torch.randn(4, 20, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    mask = torch.tensor([[True, False]]).expand(4, -1)
    y = z[:, :2].where(mask, torch.nan)
    strengths = torch.tensor([1e4], dtype=torch.float64)
    weights, biases = ridge_regressions(z, y, mask, strengths)
    torch.testing.assert_close((z @ weights[0].T + biases[0])[:, 0], y[:, 0], rtol=0, atol=1e-3)
    assert (weights[0, 1] == 0).all()
    assert biases[0, 1] == 0


@pytest.mark.parametrize(("clips", "width"), [(40, 6), (6, 40), (7, 7), (1, 3)])
def test_features_along_the_axes_are_uncorrelated_and_say_all_of_the_clips(clips, width):
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(clips, width, generator=generator, dtype=torch.float64)
    z[:, 2] = 0  # a feature that never varies
    turned, axes = principal_axes(z)
    rank = min(clips, width)
    assert (turned.shape, axes.shape) == ((clips, rank), (width, rank))
    torch.testing.assert_close(axes.T @ axes, torch.eye(rank, dtype=torch.float64))
    torch.testing.assert_close(turned @ axes.T, z)
    products = turned.T @ turned
    torch.testing.assert_close(products, products.diag().diag(), rtol=0, atol=1e-10)
