"""KL of diagonal Gaussians, against torch.distributions."""

import pytest
import torch
from torch.distributions import Bernoulli, Normal, RelaxedBernoulli, kl_divergence

from musicssl.losses.latents import bernoulli_kl, gaussian_kl, kl_between, relaxed_bernoulli


def test_it_is_what_torch_distributions_say():
    torch.manual_seed(0)
    mean, log_variance = 2 * torch.randn(3, 5, 4), 2 * torch.randn(3, 5, 4)
    q = Normal(mean, (0.5 * log_variance).exp())
    expected = kl_divergence(q, Normal(torch.zeros(4), torch.ones(4))).sum(dim=-1)
    torch.testing.assert_close(gaussian_kl(mean, log_variance), expected)


def test_between_two_gaussians_it_is_what_torch_distributions_say():
    torch.manual_seed(1)
    mean, log_variance, prior_mean, prior_log_variance = torch.randn(4, 3, 5)
    q = Normal(mean, (0.5 * log_variance).exp())
    prior = Normal(prior_mean, (0.5 * prior_log_variance).exp())
    found = kl_between(mean, log_variance, prior_mean, prior_log_variance)
    torch.testing.assert_close(found, kl_divergence(q, prior).sum(dim=-1))
    of_prior = kl_between(mean, log_variance, torch.zeros(5), torch.zeros(5))
    torch.testing.assert_close(of_prior, gaussian_kl(mean, log_variance))


def test_the_prior_costs_nothing():
    assert gaussian_kl(torch.zeros(2, 7), torch.zeros(2, 7)).tolist() == [0, 0]


def test_gradients_are_the_mean_and_half_the_excess_of_variance():
    mean, log_variance = torch.tensor([0.5, -2.0]), torch.tensor([1.0, -3.0])
    mean.requires_grad_()
    log_variance.requires_grad_()
    gaussian_kl(mean, log_variance).backward()
    torch.testing.assert_close(mean.grad, mean.detach())
    torch.testing.assert_close(log_variance.grad, 0.5 * (log_variance.detach().exp() - 1))


@pytest.mark.parametrize("temperature", [0.1, 0.5, 2.0])
def test_samples_are_those_of_torch_for_the_same_noise(temperature):
    logits = torch.randn(7, 5, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(3)
    expected = RelaxedBernoulli(torch.tensor(temperature), logits=logits).rsample()
    torch.manual_seed(3)
    torch.testing.assert_close(relaxed_bernoulli(logits, temperature), expected)


@pytest.mark.parametrize("temperature", [0.1, 2.0])
def test_a_sample_rounds_to_1_as_often_as_its_logit_says(temperature):
    uniform = (torch.arange(1000) + 0.5) / 1000
    logits = torch.tensor([-3.0, 0.0, 1.0])
    samples = relaxed_bernoulli(
        logits.expand(1000, 3), temperature, uniform[:, None].expand(1000, 3)
    )
    torch.testing.assert_close((samples > 0.5).float().mean(0), logits.sigmoid(), atol=2e-3, rtol=0)


def test_samples_come_close_to_0_and_1_at_low_temperatures():
    uniform = torch.linspace(0.01, 0.99, 50)
    samples = relaxed_bernoulli(torch.zeros(50), 1e-3, uniform)
    assert (samples.min(1 - samples) < 0.01).all()


@pytest.mark.parametrize("edge", [0.0, 1.0])
def test_the_ends_of_the_noise_give_finite_samples_and_gradients(edge):
    logits = torch.tensor([-50.0, 0.0, 50.0], requires_grad=True)
    samples = relaxed_bernoulli(logits, 0.1, torch.full((3,), edge))
    samples.sum().backward()
    assert samples.isfinite().all()
    assert logits.grad.isfinite().all()


def test_the_divergence_is_that_of_torch():
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(6, 4, generator=generator)
    prior = torch.randn(4, generator=generator)
    expected = kl_divergence(Bernoulli(logits=logits), Bernoulli(logits=prior.expand(6, 4)))
    torch.testing.assert_close(bernoulli_kl(logits, prior), expected)
    torch.testing.assert_close(bernoulli_kl(prior, prior), torch.zeros(4))


def test_the_divergence_of_certainty_is_finite_and_so_is_its_gradient():
    logits = torch.tensor([-200.0, 200.0], requires_grad=True)
    divergence = bernoulli_kl(logits, torch.zeros(2))
    torch.testing.assert_close(divergence, torch.tensor(2.0).log().expand(2))
    divergence.sum().backward()
    assert logits.grad.isfinite().all()
