"""M2's bounds: against the evidence of a linear-Gaussian model, against a VAE, against loops."""

import math

import pytest
import torch
from torch.distributions import MultivariateNormal

from musicssl.losses.likelihoods import Bernoulli, BoundedGaussian, FixedGaussian
from musicssl.losses.m2 import unlabelled_bound
from musicssl.methods.generative.m2 import M2
from musicssl.methods.generative.vae import Decoder, GaussianEncoder, vae_bound

M, K, B, D, Z = 2, 3, 4, 5, 2
LIKELIHOODS = [FixedGaussian(0.8), BoundedGaussian(0.1), Bernoulli()]


def m2(num_values=K, hidden=(7, 6), likelihood=LIKELIHOODS[0], num_models=M):
    torch.manual_seed(0)
    model = M2(num_models, num_values, D, hidden, Z, likelihood)
    with torch.no_grad():
        for parameter in model.parameters():  # so that variances differ too
            parameter.copy_(0.5 * torch.randn_like(parameter))
        model.log_prior.copy_(torch.randn(num_models, num_values).log_softmax(dim=1))
    return model


class LinearGaussian:
    """x = W z + b_y + noise of deviation s, with W^T W diagonal, and what follows in closed form.

    Attributes:
        model: M2 with this decoder and its exact posterior, p(z|x, y).
    """

    std = 0.6

    def __init__(self):
        torch.manual_seed(1)
        basis = torch.linalg.qr(torch.randn(M, D, D)).Q[..., :Z]
        self.w = basis * torch.tensor([0.7, 1.9])  # (M, D, Z)
        self.b = torch.randn(M, K, D)
        self.log_prior = torch.randn(M, K).log_softmax(dim=1)
        self.x = 2 * torch.randn(M, B, D)
        variance = 1 / (1 + self.w.square().sum(dim=1) / self.std**2)  # (M, Z), of p(z|x, y)
        to_mean = (self.w * variance[:, None] / self.std**2).mT  # (M, Z, D)
        self.model = M2(M, K, D, (2 * D + K,), Z, FixedGaussian(self.std))
        self.model.decoder = linear_network(self.w, self.b)
        means = linear_network(to_mean, -torch.einsum("mzd,mkd->mkz", to_mean, self.b))
        self.model.encoder_z = with_constant_outputs(means, variance.log())
        self.model.log_prior.copy_(self.log_prior)

    def log_joint(self, model, b, y):
        """Return log p(x, y)."""
        covariance = self.w[model] @ self.w[model].T + self.std**2 * torch.eye(D)
        given_y = MultivariateNormal(self.b[model, y], covariance)
        return given_y.log_prob(self.x[model, b]) + self.log_prior[model, y]


def linear_network(weight, bias):
    """Return networks with rectifiers, that are linear: relu(x) - relu(-x) is x.

    Args:
        weight: (M, out, in).
        bias: Of each value, (M, K, out).
    """
    num_models, outputs, inputs = weight.shape
    num_values = bias.shape[1]
    hidden = 2 * inputs + num_values  # x, -x, and which value it is
    network = M2(num_models, num_values, inputs, (hidden,), outputs, FixedGaussian()).encoder_z
    network.last = type(network.last)(num_models, hidden, outputs)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        eye = torch.eye(inputs)
        network.of_vector.weight[..., : 2 * inputs] = torch.cat([eye, -eye], dim=1)
        network.of_value[..., 2 * inputs :] = torch.eye(num_values)
        network.last.weight.copy_(torch.cat([weight.mT, -weight.mT, bias], dim=1))
    return network


def with_constant_outputs(network, constants):
    """Return the network with further outputs, (M, n), that do not depend on anything."""
    last = network.last
    num_models, hidden, outputs = last.weight.shape
    network.last = type(last)(num_models, hidden, outputs + constants.shape[1])
    with torch.no_grad():
        network.last.weight.zero_()
        network.last.weight[..., :outputs] = last.weight
        network.last.bias.zero_()
        network.last.bias[:, 0, outputs:] = constants
    return network


def sigma_points():
    """Return noise of mean 0 and covariance 1, by which a quadratic form has its exact mean."""
    eye = math.sqrt(Z) * torch.eye(Z)
    return torch.cat([eye, -eye])  # (2 Z, Z)


def test_with_the_exact_posterior_the_bound_is_the_evidence():
    """-log p(x, y) of a linear-Gaussian model: the gap is KL(q || p(z|x, y)), which is 0."""
    exact = LinearGaussian()
    of_points = [exact.model.bounds(exact.x, p.expand(M, K, B, Z)) for p in sigma_points()]
    found = torch.stack(of_points).mean(dim=0)  # (M, B, K)
    expected = [[[-exact.log_joint(m, b, y) for y in range(K)] for b in range(B)] for m in range(M)]
    torch.testing.assert_close(found, torch.tensor(expected), rtol=1e-4, atol=1e-4)

    evidence = torch.tensor(expected).neg().logsumexp(dim=-1).neg()  # -log p(x)
    best = unlabelled_bound(found, (-found).log_softmax(dim=-1))
    torch.testing.assert_close(best, evidence, rtol=1e-4, atol=1e-4)

    y = torch.arange(M * B).view(M, B) % K
    of_points = [exact.model.bound(exact.x, y, p.expand(M, B, Z)) for p in sigma_points()]
    given = torch.tensor(expected).gather(2, y[..., None]).squeeze(2)
    torch.testing.assert_close(torch.stack(of_points).mean(dim=0), given, rtol=1e-4, atol=1e-4)


def test_noise_that_the_model_draws_gives_the_evidence_in_the_mean_and_a_worse_posterior_more():
    exact = LinearGaussian()
    many = exact.x[:, :1].expand(M, 20_000, D)
    expected = torch.tensor([[-exact.log_joint(m, 0, y) for y in range(K)] for m in range(M)])
    torch.testing.assert_close(exact.model.bounds(many).mean(dim=1), expected, rtol=0.01, atol=0.05)
    with torch.no_grad():
        exact.model.encoder_z.last.bias[..., Z:] += 1.0  # deviations of q by e^0.5 too large
    assert (exact.model.bounds(many).mean(dim=1) > expected + 0.3).all()


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_all_values_at_once_are_a_loop_over_values(likelihood):
    model, x, noise = m2(likelihood=likelihood), torch.rand(M, B, D), torch.randn(M, K, B, Z)
    found = model.bounds(x, noise)
    assert found.shape == (M, B, K)
    for y in range(K):
        values = torch.full((M, B), y)
        torch.testing.assert_close(found[..., y], model.bound(x, values, noise[:, y]))
        for ours, theirs in zip(model.posteriors(x), model.posterior(x, values), strict=True):
            torch.testing.assert_close(ours[:, y], theirs)
        decoded = model.decode(noise[:, y], values)
        torch.testing.assert_close(model.decode_each(noise[:, y])[:, y], decoded)
        assert decoded.shape == (M, B, D)
    spread = found.std(dim=-1)
    assert spread.min() > 0.01  # otherwise a scrambled order would not show


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_with_one_value_it_is_a_vae(likelihood):
    model, x, noise = m2(1, likelihood=likelihood), torch.rand(M, B, D), torch.randn(M, B, Z)
    labelled = model.bound(x, torch.zeros(M, B, dtype=torch.int64), noise)
    bounds = model.bounds(x, noise[:, None])
    assert torch.equal(model.log_prior, torch.zeros(M, 1))
    torch.testing.assert_close(unlabelled_bound(bounds, torch.zeros(M, B, 1)), labelled)
    for m in range(M):
        expected = vae_bound(*as_vae(model, m), x[m], noise[m]).total
        torch.testing.assert_close(labelled[m], expected)


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_where_the_value_is_ignored_it_is_a_vae_and_log_k_cancels(likelihood):
    model, x, noise = m2(likelihood=likelihood), torch.rand(M, B, D), torch.randn(M, B, Z)
    model.log_prior.fill_(-math.log(K))
    with torch.no_grad():
        for network in (model.encoder_z, model.decoder):
            network.of_value[:] = network.of_value[:, :1]
    bounds = model.bounds(x, noise[:, None].expand(M, K, B, Z))
    uniform = torch.full((M, B, K), -math.log(K))
    found = unlabelled_bound(bounds, uniform)
    for m in range(M):
        expected = vae_bound(*as_vae(model, m), x[m], noise[m]).total
        torch.testing.assert_close(found[m], expected)
        torch.testing.assert_close(bounds[m, :, 1], expected + math.log(K))


def as_vae(model, m):
    """Return a VAE with the weights that one of the models has for its first value."""
    encoder = GaussianEncoder(D, 1, "mean", False, (7, 6), Z)
    decoder = Decoder(Z, (6, 7), D, model.likelihood)
    for layers, network in ((encoder.layers, model.encoder_z), (decoder.layers, model.decoder)):
        ours = [network.of_vector, *network.rest.layers, network.last]
        with torch.no_grad():
            for layer, stacked in zip(layers[::2], ours, strict=True):
                layer.weight.copy_(stacked.weight[m].T)
                layer.bias.copy_(stacked.bias[m, 0])
            layers[0].bias += network.of_value[m, 0]
    return encoder, decoder


def test_the_decoder_is_the_encoder_in_reverse_order():
    model = M2(M, K, D, (7, 6, 4), Z, BoundedGaussian())
    shapes = [layer.weight.shape[1:] for layer in model.encoder_z.rest.layers]
    assert (model.encoder_z.of_vector.weight.shape[1:], shapes) == ((D, 7), [(7, 6), (6, 4)])
    shapes = [layer.weight.shape[1:] for layer in model.decoder.rest.layers]
    assert (model.decoder.of_vector.weight.shape[1:], shapes) == ((Z, 4), [(4, 6), (6, 7)])
    assert model.decoder.last.weight.shape == (M, 7, 2 * D)


def test_variances_of_z_begin_at_1_and_the_prior_of_y_is_uniform():
    model = M2(M, K, D, (7, 6), Z, FixedGaussian())
    q = model.posteriors(torch.randn(M, B, D))
    assert torch.equal(q.log_variance, torch.zeros(M, K, B, Z))
    assert q.mean.std() > 0
    torch.testing.assert_close(model.log_prior.exp(), torch.full((M, K), 1 / K))


def test_expected_features_are_means_of_the_likelihood():
    """Of a decoder whose outputs are known: those of its biases."""
    for likelihood, expected in zip(LIKELIHOODS, (1.5, 1.5, 1 / (1 + math.exp(-1.5))), strict=True):
        model = m2(likelihood=likelihood)
        with torch.no_grad():
            model.decoder.last.weight.zero_()
            model.decoder.last.bias.fill_(1.5)
        decoded = model.decode(torch.randn(M, B, Z), torch.zeros(M, B, dtype=torch.int64))
        torch.testing.assert_close(decoded, torch.full((M, B, D), expected))


def test_bounds_are_hardly_rounded_where_layers_are():
    """Sums of many squares would be wrong by several nats in bfloat16."""
    torch.manual_seed(0)
    model = M2(M, K, 400, (32,), 64, FixedGaussian(0.3))
    x, noise = torch.randn(M, B, 400), torch.randn(M, K, B, 64)
    expected = model.bounds(x, noise)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = model.bounds(x, noise)
    assert found.dtype == torch.float32
    assert expected.min() > 1000
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=0)


def test_no_model_has_a_part_in_another():
    model, x = m2(), torch.randn(M, B, D)
    noise = torch.randn(M, K, B, Z)
    of_the_second = model.bounds(x, noise)[1].sum()
    of_the_second.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad[0].abs().sum() == 0, name
        assert parameter.grad[1].abs().sum() > 0, name
