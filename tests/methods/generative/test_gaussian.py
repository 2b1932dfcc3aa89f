"""Gaussians of an encoder: what is read from a layer, and what is drawn."""

import torch

from musicssl.methods.generative.vae import Gaussian, gaussian_of


def test_the_first_half_of_the_outputs_are_means():
    q = gaussian_of(torch.arange(12.0).view(2, 6))
    assert q.mean.tolist() == [[0, 1, 2], [6, 7, 8]]
    assert q.log_variance.tolist() == [[3, 4, 5], [9, 10, 11]]


def test_samples_have_the_mean_and_the_variance():
    torch.manual_seed(0)
    q = Gaussian(torch.tensor([1.0, -2.0]), torch.tensor([0.5, -3.0]))
    many = Gaussian(*(part.expand(100_000, 2) for part in q)).sample()
    torch.testing.assert_close(many.mean(dim=0), q.mean, rtol=0, atol=0.02)
    torch.testing.assert_close(many.var(dim=0), q.log_variance.exp(), rtol=0.02, atol=0)


def test_a_sample_moves_with_mean_and_deviation():
    mean, log_variance = torch.zeros(3, requires_grad=True), torch.ones(3, requires_grad=True)
    noise = torch.tensor([-1.0, 0.0, 2.0])
    Gaussian(mean, log_variance).sample(noise).sum().backward()
    assert mean.grad.tolist() == [1, 1, 1]
    torch.testing.assert_close(log_variance.grad, 0.5 * torch.tensor(0.5).exp() * noise)


def test_means_and_variances_are_not_of_half_precision():
    q = gaussian_of(torch.zeros(2, 6, dtype=torch.bfloat16))
    assert q.mean.dtype == q.log_variance.dtype == torch.float32
