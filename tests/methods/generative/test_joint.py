import itertools
import math

import pytest
import torch
from torch.distributions import Bernoulli, Normal, kl_divergence

from musicssl.losses.likelihoods import BoundedGaussian, FixedGaussian
from musicssl.losses.m2 import log_answers, unlabelled_bound
from musicssl.methods.generative.joint import JointM2
from musicssl.methods.generative.m2 import M2

D, H, Z = 5, (7, 6), 3
GAUSSIAN = FixedGaussian(0.8)


def joint(num_classes, likelihood=GAUSSIAN):
    """Return a model none of whose weights are 0, with a prior that is not uniform."""
    torch.manual_seed(0)
    model = JointM2(num_classes, D, H, Z, likelihood)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
        model.prior_logits.copy_(torch.randn(num_classes))
    return model


def enumerated(model, num_classes):
    """Return the M2 that has one value for each combination of labels, and the combinations."""
    combinations = torch.tensor(list(itertools.product([0.0, 1.0], repeat=num_classes)))
    m2 = M2(1, len(combinations), D, H, Z, model.likelihood)
    for theirs, ours, width in [
        (m2.encoder_z, model.encoder_z, D),
        (m2.decoder, model.decoder, Z),
    ]:
        first, *rest, last = [layer for layer in ours if hasattr(layer, "weight")]
        with torch.no_grad():
            theirs.of_vector.weight[0] = first.weight[:, :width].T
            theirs.of_vector.bias[0, 0] = first.bias
            theirs.of_value[0] = combinations @ first.weight[:, width:].T
            for layer, linear in zip(
                [*theirs.rest.layers, theirs.last], [*rest, last], strict=True
            ):
                layer.weight[0] = linear.weight.T
                layer.bias[0, 0] = linear.bias
    prior = Bernoulli(logits=model.prior_logits)
    m2.log_prior.copy_(prior.log_prob(combinations).sum(dim=1)[None])
    return m2, combinations


@pytest.mark.parametrize("likelihood", [GAUSSIAN, BoundedGaussian(0.2)])
def test_with_all_labels_observed_it_is_the_bound_of_an_m2_of_all_combinations(likelihood):
    model = joint(3, likelihood)
    m2, combinations = enumerated(model, 3)
    x, noise = torch.randn(8, D), torch.randn(8, Z)
    expected = m2.bound(x[None], torch.arange(8)[None], noise[None])[0]
    mask = torch.ones(8, 3, dtype=torch.bool)
    logits = torch.randn(8, 3)  # of no effect
    found = model.partly_labelled_bound(x, combinations > 0.5, mask, logits, 0.5, noise)
    torch.testing.assert_close(found, expected)


def test_with_some_labels_observed_it_is_the_sum_of_its_parts_of_torch():
    model = joint(3)
    x, noise, uniform = torch.randn(4, D), torch.randn(4, Z), torch.rand(4, 3)
    present, mask = torch.rand(4, 3) > 0.5, torch.rand(4, 3) > 0.5
    logits = torch.randn(4, 3)
    found = model.partly_labelled_bound(x, present, mask, logits, 0.4, noise, uniform)
    for i in range(4):
        total, y = torch.tensor(0.0), torch.empty(3)
        for c in range(3):
            prior = Bernoulli(logits=model.prior_logits[c])
            if mask[i, c]:
                y[c] = present[i, c].float()
                total = total - prior.log_prob(y[c])
            else:
                odds = logits[i, c] + (uniform[i, c] / (1 - uniform[i, c])).log()
                y[c] = 1 / (1 + (-odds / 0.4).exp())
                total = total + kl_divergence(Bernoulli(logits=logits[i, c]), prior)
        mean, log_variance = model.encoder_z(torch.cat([x[i], y])).chunk(2)
        q = Normal(mean, (0.5 * log_variance).exp())
        total = total + kl_divergence(q, Normal(0.0, 1.0)).sum()
        decoded = model.decoder(torch.cat([q.mean + q.stddev * noise[i], y]))
        total = total - Normal(decoded, 0.8).log_prob(x[i]).sum()
        torch.testing.assert_close(found[i], total)


def test_at_a_low_temperature_one_label_is_enumerated_on_average():
    """Many samples of y, one of z: U of the M2 with the same weights and noise."""
    model, count = joint(1), 20_000
    m2, _ = enumerated(model, 1)
    x, noise, logit = torch.randn(D), torch.randn(Z), torch.tensor([[0.7]])
    bounds = m2.bounds(x.expand(1, 1, D), noise.expand(1, 2, 1, Z))
    expected = unlabelled_bound(bounds, log_answers(logit)[None]).item()
    of_values = bounds[0, 0].tolist()
    assert abs(of_values[0] - of_values[1]) > 0.5  # else any share of both would do
    found = model.partly_labelled_bound(
        x.expand(count, D),
        torch.zeros(count, 1, dtype=torch.bool),
        torch.zeros(count, 1, dtype=torch.bool),
        logit.expand(count, 1),
        1e-4,
        noise.expand(count, Z),
        ((torch.arange(count) + 0.5) / count)[:, None],
    )
    assert found.mean().item() == pytest.approx(expected, abs=2e-3)


def test_only_labels_that_are_not_observed_teach_the_classifier():
    model = joint(3)
    mask = torch.tensor([[True, True, True], [True, False, True], [False, False, False]])
    logits = torch.randn(3, 3, requires_grad=True)
    x, present = torch.randn(3, D), torch.rand(3, 3) > 0.5
    model.partly_labelled_bound(x, present, mask, logits, 0.5).sum().backward()
    assert torch.equal(logits.grad != 0, ~mask)


def test_the_samples_teach_the_classifier_and_not_the_divergence_alone():
    model = joint(2)
    x, noise, uniform = torch.randn(6, D), torch.randn(6, Z), torch.rand(6, 2)
    none = torch.zeros(6, 2, dtype=torch.bool)
    gradients = []
    for scale in (1.0, 0.0):
        logits = torch.linspace(-1, 1, 12).view(6, 2).requires_grad_()
        with torch.no_grad():
            for network, width in ((model.encoder_z, D), (model.decoder, Z)):
                network[0].weight[:, width:] *= scale  # 0: x says nothing about y
        model.partly_labelled_bound(x, none, none, logits, 0.5, noise, uniform).sum().backward()
        gradients.append(logits.grad)
    prior = model.prior_logits.expand(6, 2)
    by_hand = torch.linspace(-1, 1, 12).view(6, 2).requires_grad_()
    kl_divergence(Bernoulli(logits=by_hand), Bernoulli(logits=prior)).sum().backward()
    torch.testing.assert_close(gradients[1], by_hand.grad)
    assert (gradients[0] - gradients[1]).abs().mean() > 1e-2


def test_the_posterior_begins_with_a_deviation_of_1():
    torch.manual_seed(0)
    model = JointM2(3, D, H, Z, FixedGaussian())
    q = model.posterior(torch.randn(4, D), torch.rand(4, 3))
    assert (q.log_variance == 0).all()
    assert (q.mean != 0).all()
    assert model.prior_logits.sigmoid().tolist() == [0.5] * 3


def test_decoding_gives_expected_features():
    model = joint(2, BoundedGaussian(0.1))
    z, y = torch.randn(4, Z), torch.rand(4, 2)
    expected = model.decoder(torch.cat([z, y], dim=1))[:, :D]
    torch.testing.assert_close(model.decode(z, y), expected)
    assert math.isfinite(model.bound(torch.randn(4, D), y).sum().item())
