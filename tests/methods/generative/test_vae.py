"""The variational autoencoder's bound, against torch.distributions and a linear-Gaussian model."""

import math

import pytest
import torch
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from musicssl.losses.likelihoods import Bernoulli, BoundedGaussian, FixedGaussian
from musicssl.methods.generative.vae import Decoder, GaussianEncoder, mlp, vae_bound

D, Z, B = 6, 3, 8


def vae(likelihood, hidden=(7, 5)):
    torch.manual_seed(0)
    encoder = GaussianEncoder(D, 1, "mean", False, hidden, Z)
    return encoder, Decoder(Z, hidden[::-1], D, likelihood)


@pytest.mark.parametrize("likelihood", [FixedGaussian(0.7), BoundedGaussian(0.1), Bernoulli()])
def test_the_bound_is_that_of_torch_distributions(likelihood):
    encoder, decoder = vae(likelihood)
    x, noise = torch.rand(B, D), torch.randn(B, Z)
    found = vae_bound(encoder, decoder, x, noise)
    q = encoder.posterior(x)
    q_z = Normal(q.mean, (0.5 * q.log_variance).exp())
    z = q.mean + q_z.stddev * noise
    expected = kl_divergence(q_z, Normal(torch.zeros(Z), torch.ones(Z))).sum(dim=1)
    torch.testing.assert_close(found.kl, expected)
    outputs = decoder.layers(z)
    torch.testing.assert_close(found.reconstruction, likelihood.negative_log(outputs, x))
    torch.testing.assert_close(found.total, found.reconstruction + found.kl)
    torch.testing.assert_close(decoder(z), likelihood.mean(outputs))
    torch.testing.assert_close(decoder.negative_log(z, x), found.reconstruction)


def test_with_a_linear_decoder_and_the_exact_posterior_it_is_the_evidence():
    """Probabilistic PCA: without hidden layers both networks are linear."""
    torch.manual_seed(0)
    std, x = 0.6, 2 * torch.randn(B, D)
    w, b = torch.linalg.qr(torch.randn(D, Z)).Q * torch.tensor([0.5, 1.0, 2.0]), torch.randn(D)
    encoder, decoder = vae(FixedGaussian(std), hidden=())
    variance = 1 / (1 + w.square().sum(dim=0) / std**2)  # (Z,), of p(z|x)
    to_mean = (w * variance / std**2).T
    with torch.no_grad():
        decoder.layers[0].weight.copy_(w)
        decoder.layers[0].bias.copy_(b)
        encoder.layers[0].weight.copy_(torch.cat([to_mean, torch.zeros(Z, D)]))
        encoder.layers[0].bias.copy_(torch.cat([-to_mean @ b, variance.log()]))
    axes = math.sqrt(Z) * torch.eye(Z)  # with their negatives: mean 0, covariance 1
    bounds = [vae_bound(encoder, decoder, x, p.expand(B, Z)).total for p in (*axes, *-axes)]
    expected = -MultivariateNormal(b, w @ w.T + std**2 * torch.eye(D)).log_prob(x)
    torch.testing.assert_close(torch.stack(bounds).mean(dim=0), expected, rtol=1e-4, atol=1e-4)


def test_gradients_reach_both_networks_through_one_sample():
    encoder, decoder = vae(FixedGaussian())
    vae_bound(encoder, decoder, torch.randn(B, D)).total.sum().backward()
    for parameter in (*encoder.parameters(), *decoder.parameters()):
        assert parameter.grad.abs().sum() > 0


def test_an_encoder_embeds_a_clip_by_the_mean():
    encoder, _ = vae(FixedGaussian())
    x = torch.randn(B, 4, D)
    h, valid = encoder(x, torch.ones(B, 4, dtype=torch.bool))
    assert valid is None
    torch.testing.assert_close(h[:, 0], encoder.posterior(x.mean(dim=1)).mean)
    assert h.shape == (B, 1, encoder.embed_dim)


def test_rectifiers_stand_between_layers_and_not_after_the_last():
    kinds = [type(layer).__name__ for layer in mlp((4, 3, 2), 5)]
    assert kinds == ["Linear", "ReLU", "Linear", "ReLU", "Linear"]
    assert [type(layer).__name__ for layer in mlp((4,), 5)] == ["Linear"]
