"""Oracles: torch.distributions, scikit-learn's mixture, and the formula as a slow loop."""

import math

import numpy as np
import pytest
import torch
from sklearn.mixture import GaussianMixture
from torch.distributions import Normal, kl_divergence

from musicssl.losses.latents import gaussian_kl
from musicssl.losses.vade import Mixture, component_costs, log_responsibilities, vade_kl

B, K, Z = 6, 4, 3


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def mixture(num_components=K, dim=Z):
    return Mixture(
        drawn(num_components, seed=1).log_softmax(0),
        2 * drawn(num_components, dim, seed=2),
        drawn(num_components, dim, seed=3),
    )


def posterior(dim=Z):
    return drawn(B, dim, seed=4), drawn(B, dim, seed=5)


def alike(weights):
    """Return components that are all the same, but for their weights."""
    means, log_variances = drawn(1, Z, seed=6), drawn(1, Z, seed=7)
    count = len(weights)
    return Mixture(
        torch.tensor(weights).log(), means.repeat(count, 1), log_variances.repeat(count, 1)
    )


def test_responsibilities_are_those_of_a_mixture_in_scikit_learn():
    prior, z = mixture(), drawn(50, Z)
    theirs = GaussianMixture(K, covariance_type="diag")
    theirs.weights_ = prior.log_weights.exp().double().numpy()
    theirs.weights_ /= theirs.weights_.sum()
    theirs.means_ = prior.means.double().numpy()
    theirs.covariances_ = prior.log_variances.double().exp().numpy()
    theirs.precisions_cholesky_ = 1 / np.sqrt(theirs.covariances_)
    expected = theirs.predict_proba(z.double().numpy())
    np.testing.assert_allclose(log_responsibilities(z, prior).exp(), expected, rtol=1e-4, atol=1e-6)


def test_a_clip_in_64_dimensions_has_one_component_where_a_plain_exp_finds_none():
    means = torch.zeros(10, 64)
    means[:, 0] = 20 * torch.arange(10.0)
    prior = Mixture(torch.full((10,), -math.log(10)), means, torch.full((10, 64), 1.5))
    z = means[4] + 2 * drawn(64)
    log_densities = Normal(means, prior.log_variances.div(2).exp()).log_prob(z).sum(-1)
    plain = log_densities.exp() / 10 + 1e-10  # as the public implementations have it
    torch.testing.assert_close(plain / plain.sum(), torch.full((10,), 0.1))
    gamma = log_responsibilities(z, prior).exp()
    torch.testing.assert_close(gamma, torch.eye(10)[4], rtol=0, atol=0.01)
    expected = (log_densities.double() - log_densities.double().logsumexp(0)).exp()
    torch.testing.assert_close(gamma.double(), expected, rtol=0, atol=1e-5)


def test_costs_are_divergences_from_components_and_the_price_of_choosing_them():
    prior, (mean, log_variance) = mixture(), posterior()
    q = Normal(mean[:, None], log_variance[:, None].div(2).exp())
    p = Normal(prior.means, prior.log_variances.div(2).exp())
    expected = kl_divergence(q, p).sum(-1) - prior.log_weights
    torch.testing.assert_close(component_costs(mean, log_variance, prior), expected)


def test_the_divergence_is_the_formula_of_the_paper():
    prior, (mean, log_variance) = mixture(), posterior()
    log_gamma = log_responsibilities(drawn(B, Z), prior)
    found = vade_kl(component_costs(mean, log_variance, prior), log_gamma)
    for b in range(B):
        expected = -0.5 * sum(1 + float(log_variance[b, d]) for d in range(Z))
        for c in range(K):
            gamma, pi = float(log_gamma[b, c].exp()), float(prior.log_weights[c].exp())
            inner = 0.0
            for d in range(Z):
                variance = float(prior.log_variances[c, d].exp())
                inner += math.log(variance) + float(log_variance[b, d].exp()) / variance
                inner += float(mean[b, d] - prior.means[c, d]) ** 2 / variance
            expected += 0.5 * gamma * inner - gamma * math.log(pi / gamma)
        assert float(found[b]) == pytest.approx(expected, rel=1e-4)


def test_one_standard_component_makes_a_plain_autoencoder():
    prior = Mixture(torch.zeros(1), torch.zeros(1, Z), torch.zeros(1, Z))
    mean, log_variance = posterior()
    found = vade_kl(
        component_costs(mean, log_variance, prior), log_responsibilities(drawn(B, Z), prior)
    )
    torch.testing.assert_close(found, gaussian_kl(mean, log_variance))


def test_components_that_are_alike_are_as_likely_as_their_weights_and_cost_as_one():
    weights = [0.1, 0.2, 0.7]
    prior, (mean, log_variance) = alike(weights), posterior()
    log_gamma = log_responsibilities(drawn(B, Z), prior)
    torch.testing.assert_close(log_gamma.exp(), torch.tensor(weights).expand(B, 3))
    single = alike([1.0])
    torch.testing.assert_close(
        vade_kl(component_costs(mean, log_variance, prior), log_gamma),
        component_costs(mean, log_variance, single)[:, 0],
    )


def test_no_responsibilities_cost_less_than_the_best_ones():
    prior, (mean, log_variance) = mixture(), posterior()
    costs = component_costs(mean, log_variance, prior)
    least = -(-costs).logsumexp(dim=1)
    torch.testing.assert_close(vade_kl(costs, (-costs).log_softmax(dim=1)), least)
    for seed in range(20):
        assert (vade_kl(costs, drawn(B, K, seed=seed).log_softmax(dim=1)) > least).all()
        sampled = log_responsibilities(mean + drawn(B, Z, seed=seed), prior)
        assert (vade_kl(costs, sampled) >= least - 1e-5).all()


def test_the_order_of_components_does_not_matter():
    prior, (mean, log_variance), z = mixture(), posterior(), drawn(B, Z)
    order = torch.tensor([2, 0, 3, 1])
    other = Mixture(*(part[order] for part in prior))
    torch.testing.assert_close(
        log_responsibilities(z, other), log_responsibilities(z, prior)[:, order]
    )
    found = [
        vade_kl(component_costs(mean, log_variance, p), log_responsibilities(z, p))
        for p in (prior, other)
    ]
    torch.testing.assert_close(*found)


def test_gradients_flow_through_sampled_responsibilities():
    prior, (mean, log_variance) = mixture(), posterior()
    z = drawn(B, Z).requires_grad_()
    costs = component_costs(mean, log_variance, prior)
    [found] = torch.autograd.grad(vade_kl(costs, log_responsibilities(z, prior)).sum(), z)
    step = 1e-2
    for d in range(Z):
        shift = step * torch.eye(Z)[d]
        ahead, behind = (
            vade_kl(costs, log_responsibilities(z.detach() + s, prior)) for s in (shift, -shift)
        )
        torch.testing.assert_close(found[:, d], (ahead - behind) / (2 * step), rtol=0.02, atol=5e-3)


def test_a_component_out_of_reach_spoils_no_gradient():
    prior = mixture()
    far = prior._replace(means=prior.means * torch.tensor([[1.0], [1.0], [1e4], [1.0]]))
    mean, log_variance = (part.requires_grad_() for part in posterior())
    loss = vade_kl(component_costs(mean, log_variance, far), log_responsibilities(mean, far)).sum()
    loss.backward()
    assert loss.isfinite()
    assert mean.grad.isfinite().all()


def test_what_an_encoder_says_in_half_precision_is_taken_to_the_mixture_in_full():
    prior, (mean, log_variance) = mixture(), (part.bfloat16() for part in posterior())
    with torch.autocast("cpu", torch.bfloat16):
        found = component_costs(mean, log_variance, prior), log_responsibilities(mean, prior)
    mean, log_variance = mean.float(), log_variance.float()
    expected = component_costs(mean, log_variance, prior), log_responsibilities(mean, prior)
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == torch.float32
        torch.testing.assert_close(one, other)
