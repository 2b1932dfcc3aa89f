"""KL of diagonal Gaussians, against torch.distributions."""

import torch
from torch.distributions import Normal, kl_divergence

from musicssl.losses.gaussian_kl import gaussian_kl


def test_it_is_what_torch_distributions_say():
    torch.manual_seed(0)
    mean, log_variance = 2 * torch.randn(3, 5, 4), 2 * torch.randn(3, 5, 4)
    q = Normal(mean, (0.5 * log_variance).exp())
    expected = kl_divergence(q, Normal(torch.zeros(4), torch.ones(4))).sum(dim=-1)
    torch.testing.assert_close(gaussian_kl(mean, log_variance), expected)


def test_the_prior_costs_nothing():
    assert gaussian_kl(torch.zeros(2, 7), torch.zeros(2, 7)).tolist() == [0, 0]


def test_gradients_are_the_mean_and_half_the_excess_of_variance():
    mean, log_variance = torch.tensor([0.5, -2.0]), torch.tensor([1.0, -3.0])
    mean.requires_grad_()
    log_variance.requires_grad_()
    gaussian_kl(mean, log_variance).backward()
    torch.testing.assert_close(mean.grad, mean.detach())
    torch.testing.assert_close(log_variance.grad, 0.5 * (log_variance.detach().exp() - 1))
