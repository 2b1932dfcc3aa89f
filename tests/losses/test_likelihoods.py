"""Likelihoods against torch.distributions, and where they must not run away."""

import math

import pytest
import torch
from torch.distributions import Bernoulli as TorchBernoulli
from torch.distributions import Normal

from musicssl.errors import InputError
from musicssl.losses.likelihoods import Bernoulli, BoundedGaussian, FixedGaussian

ALL = [FixedGaussian(0.7), BoundedGaussian(0.2), Bernoulli()]
SHAPE = (3, 4, 5)  # of features, (..., D)


def outputs_for(likelihood):
    torch.manual_seed(0)
    return 2 * torch.randn(*SHAPE[:-1], likelihood.outputs_per_feature * SHAPE[-1])


def test_a_fixed_gaussian_is_torchs_normal():
    likelihood, x = FixedGaussian(0.7), torch.randn(SHAPE)
    outputs = outputs_for(likelihood)
    expected = -Normal(outputs, 0.7).log_prob(x).sum(dim=-1)
    torch.testing.assert_close(likelihood.negative_log(outputs, x), expected)
    assert torch.equal(likelihood.mean(outputs), outputs)


def test_a_bounded_gaussian_is_torchs_normal_with_the_bound_added_to_the_variance():
    likelihood, x = BoundedGaussian(0.2), torch.randn(SHAPE)
    outputs = outputs_for(likelihood)
    mean, raw = outputs[..., :5], outputs[..., 5:]
    expected = -Normal(mean, (0.2**2 + raw.exp()).sqrt()).log_prob(x).sum(dim=-1)
    torch.testing.assert_close(likelihood.negative_log(outputs, x), expected)
    assert torch.equal(likelihood.mean(outputs), mean)


def test_a_bernoulli_is_torchs_of_pixels_and_of_what_lies_between():
    likelihood = Bernoulli()
    outputs = outputs_for(likelihood)
    for x in (torch.randint(2, SHAPE).float(), torch.rand(SHAPE)):
        expected = -TorchBernoulli(logits=outputs, validate_args=False).log_prob(x).sum(dim=-1)
        torch.testing.assert_close(likelihood.negative_log(outputs, x), expected)
    torch.testing.assert_close(likelihood.mean(outputs), torch.sigmoid(outputs))


def test_a_constant_feature_gains_no_more_than_the_least_deviation_lets_it():
    """However sure the decoder is; without the bound the likelihood would grow for ever."""
    likelihood, x = BoundedGaussian(0.05), torch.zeros(1, 6)
    least = -Normal(0.0, 0.05).log_prob(torch.tensor(0.0)) * 6
    for raw in (-5.0, -30.0, -1e4, -1e30):
        outputs = torch.cat([torch.zeros(1, 6), torch.full((1, 6), raw)], dim=1).requires_grad_()
        nats = likelihood.negative_log(outputs, x)
        nats.sum().backward()
        assert nats.item() >= least - 1e-5
        assert torch.isfinite(outputs.grad).all()


def test_variances_that_are_not_learnt_yet_are_those_of_standardised_features():
    likelihood = BoundedGaussian(0.05)
    nats = likelihood.negative_log(torch.zeros(1, 2), torch.tensor([[1.5]]))
    expected = FixedGaussian(math.sqrt(1 + 0.05**2)).negative_log(
        torch.zeros(1, 1), torch.tensor([[1.5]])
    )
    torch.testing.assert_close(nats, expected)


def test_logits_of_any_size_have_finite_nats_and_gradients():
    outputs = torch.tensor([[-1e4, 1e4, 1e4, -1e4]], requires_grad=True)
    nats = Bernoulli().negative_log(outputs, torch.tensor([[0.0, 1.0, 0.0, 1.0]]))
    nats.sum().backward()
    assert nats.item() == 2e4
    assert outputs.grad.tolist() == [[0, 0, 1, -1]]


@pytest.mark.parametrize("likelihood", ALL)
def test_features_of_one_row_say_nothing_of_another(likelihood):
    outputs, x = outputs_for(likelihood), torch.rand(SHAPE)
    whole = likelihood.negative_log(outputs, x)
    assert whole.shape == SHAPE[:-1]
    torch.testing.assert_close(likelihood.negative_log(outputs[1:2, 2], x[1:2, 2]), whole[1:2, 2])


@pytest.mark.parametrize("likelihood", ALL)
def test_nats_are_not_of_half_precision(likelihood):
    outputs, x = outputs_for(likelihood).bfloat16(), torch.rand(SHAPE)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = likelihood.negative_log(outputs, x)
    assert torch.equal(found, likelihood.negative_log(outputs.float(), x))


@pytest.mark.parametrize("likelihood", [FixedGaussian, BoundedGaussian])
@pytest.mark.parametrize("deviation", [0.0, -1.0, math.nan, None])
def test_a_deviation_that_is_not_positive_is_refused(likelihood, deviation):
    with pytest.raises(InputError, match=r"likelihood\.(min_)?std must be positive, got"):
        likelihood(deviation)


def test_a_bernoulli_refuses_features_that_are_no_probabilities():
    Bernoulli().check(torch.tensor([[0.0, 1.0]]))
    with pytest.raises(InputError, match=r"likelihood=bernoulli .* from -0\.5 to 2"):
        Bernoulli().check(torch.tensor([[-0.5, 2.0]]))
    with pytest.raises(InputError, match="likelihood=bernoulli"):
        Bernoulli().check(torch.tensor([[math.nan, 0.5]]))
    for gaussian in ALL[:2]:
        gaussian.check(torch.tensor([[-0.5, 2.0]]))
