"""Oracles: values known in closed form, a loop over pairs, invariances."""

import math

import pytest
import torch

from musicssl.losses.latent_regularisers import (
    attribute_order,
    discriminator_loss,
    permuted_dimensions,
    total_correlation,
)

STEEP = 1e6


def column(*values):
    return torch.tensor(values).float()[:, None]


def of(z, attribute, delta=STEEP, mask=None):
    mask = torch.ones_like(attribute, dtype=torch.bool) if mask is None else mask
    return attribute_order(z, attribute, mask, delta).item()


def test_it_is_zero_where_the_orders_agree_and_two_between_clips_where_they_are_reversed():
    attribute = column(3, 1, 4, 1.5, 9)
    assert of(attribute.exp(), attribute) == pytest.approx(0, abs=1e-6)
    pairs = 5 * 4 / 5**2  # those of different clips, of all pairs
    assert of(-attribute, attribute) / pairs == pytest.approx(2)


def test_values_in_closed_form():
    two, four = column(0, 1), column(0, 1, 2, 3)
    assert of(two, two, delta=1) == pytest.approx((1 - math.tanh(1)) / 2)
    assert of(-four, four) == pytest.approx(1.5)
    assert of(torch.zeros(4, 1), four) == pytest.approx(0.75)
    assert of(four, torch.ones(4, 1)) == pytest.approx(0.75)


def test_a_loop_over_the_pairs_of_observed_clips_gives_the_same():
    torch.manual_seed(0)
    z, attributes = torch.randn(9, 4), torch.randint(3, (9, 4)).float()
    mask = torch.rand(9, 4) < 0.6
    mask[:, 2] = False
    expected = []
    for r in range(4):
        seen = mask[:, r].nonzero()[:, 0].tolist()
        terms = [
            abs(
                math.tanh(2.0 * float(z[i, r] - z[j, r]))
                - float(attributes[i, r] > attributes[j, r])
                + float(attributes[i, r] < attributes[j, r])
            )
            for i in seen
            for j in seen
        ]
        expected.append(sum(terms) / len(terms) if terms else 0.0)
    attributes[~mask] = torch.nan
    found = attribute_order(z, attributes, mask, 2.0)
    torch.testing.assert_close(found, torch.tensor(expected))


def test_only_differences_of_z_and_the_order_of_attributes_count():
    torch.manual_seed(0)
    z, attribute = torch.randn(8, 1), torch.randn(8, 1)
    assert of(z + 5, attribute**3, 1.0) == pytest.approx(of(z, attribute, 1.0), rel=1e-5)


def test_gradients_are_finite_with_hidden_attributes_that_are_no_numbers():
    z = torch.randn(6, 2, requires_grad=True)
    attributes = torch.full((6, 2), torch.nan)
    attributes[:3] = torch.rand(3, 2)
    attribute_order(z, attributes, ~attributes.isnan(), 10.0).sum().backward()
    assert z.grad.isfinite().all()
    assert (z.grad[3:] == 0).all()


def test_a_discriminator_at_chance_finds_no_correlation():
    at_chance = torch.randn(7, 1).expand(7, 2)
    assert total_correlation(at_chance).item() == 0
    assert discriminator_loss(at_chance, at_chance).item() == pytest.approx(math.log(2))


def test_the_best_discriminator_finds_the_total_correlation_of_a_gaussian():
    torch.manual_seed(0)
    rho, count = 0.8, 200_000
    cholesky = torch.tensor([[1.0, 0.0], [rho, math.sqrt(1 - rho**2)]])
    z = torch.randn(count, 2) @ cholesky.T
    joint = torch.distributions.MultivariateNormal(torch.zeros(2), cholesky @ cholesky.T)
    margins = torch.distributions.Normal(0.0, 1.0)
    best = torch.stack([joint.log_prob(z), margins.log_prob(z).sum(1)], dim=1)
    assert total_correlation(best).item() == pytest.approx(-0.5 * math.log(1 - rho**2), abs=0.01)


def test_dimensions_are_permuted_each_by_itself():
    torch.manual_seed(0)
    z = torch.arange(200.0).view(100, 2)
    permuted = permuted_dimensions(z)
    torch.testing.assert_close(permuted.sort(dim=0).values, z)
    together = (permuted[:, 1] - permuted[:, 0] == 1).sum()
    assert together < 10
