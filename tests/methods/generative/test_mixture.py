"""Oracles: scikit-learn's mixture itself, and clouds of points that are known."""

import numpy as np
import pytest
import torch
from sklearn.mixture import GaussianMixture
from torch.distributions import Normal

from musicssl.errors import InputError
from musicssl.evaluation.clustering import cluster_accuracy
from musicssl.losses.vade import Mixture, log_responsibilities
from musicssl.methods.generative.mixture import MixturePrior, fit_mixture

CENTRES = torch.tensor([[0.0, 0.0, 0.0], [6.0, 0.0, 0.0], [0.0, 6.0, 0.0], [6.0, 6.0, 0.0]])


def clouds(counts=(200, 100, 60, 40), spread=0.5):
    """Return points around centres, and the centre of each."""
    generator = torch.Generator().manual_seed(0)
    of = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    return CENTRES[of] + spread * torch.randn(len(of), 3, generator=generator), of


def test_a_new_mixture_is_of_standard_gaussians_of_equal_weight():
    mixture = MixturePrior(4, 3)()
    torch.testing.assert_close(mixture.log_weights.exp(), torch.full((4,), 0.25))
    assert not mixture.means.any()
    assert not mixture.log_variances.any()


def test_what_is_taken_is_what_there_is_and_weights_stay_on_the_simplex():
    prior, other = (
        MixturePrior(2, 3),
        Mixture(torch.tensor([0.3, 0.7]).log(), torch.rand(2, 3), torch.rand(2, 3)),
    )
    prior.take(other)
    for mine, theirs in zip(prior(), other, strict=True):
        torch.testing.assert_close(mine, theirs)
    with torch.no_grad():
        prior.logits += torch.tensor([5.0, -3.0])
    assert prior().log_weights.exp().sum().item() == pytest.approx(1)


def test_clouds_are_found_with_their_weights_means_and_variances():
    points, of = clouds()
    mixture = fit_mixture(points, 4, seed=0)
    found = log_responsibilities(points, mixture).argmax(dim=1)
    assert cluster_accuracy(found.numpy(), of.numpy()) == 1
    order = [int(found[of == c].mode().values) for c in range(4)]
    shares = mixture.log_weights.exp()[order]
    torch.testing.assert_close(shares, torch.tensor([0.5, 0.25, 0.15, 0.1]), rtol=1e-3, atol=0)
    torch.testing.assert_close(mixture.means[order], CENTRES, rtol=0, atol=0.3)
    variances = mixture.log_variances.exp()
    torch.testing.assert_close(variances, torch.full((4, 3), 0.25), rtol=0, atol=0.2)


def test_components_answer_as_those_of_scikit_learn():
    """Overlapping clouds, so that the answer depends on every parameter."""
    points, of = clouds(spread=3.0)
    mixture = fit_mixture(points, 4, seed=3)
    theirs = GaussianMixture(
        *(4,),
        covariance_type="diag",
        reg_covar=1e-3,
        n_init=10,
        init_params="k-means++",
        random_state=3,
    ).fit(points.double().numpy())
    log_gamma = log_responsibilities(points, mixture)
    expected = theirs.predict_proba(points.double().numpy())
    np.testing.assert_allclose(log_gamma.exp(), expected, atol=1e-4)
    answers = log_gamma.argmax(dim=1).numpy()
    assert cluster_accuracy(answers, of.numpy()) == cluster_accuracy(
        theirs.predict(points.double().numpy()), of.numpy()
    )


def test_the_same_seed_finds_the_same_bits():
    points, _ = clouds(spread=3.0)
    one, same, other = (fit_mixture(points, 4, seed) for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(one, same, strict=True))
    assert not torch.equal(one.means, other.means)


def test_points_that_coincide_keep_a_variance():
    points = torch.tensor([[0.0, 1.0], [3.0, 1.0]]).repeat(20, 1)
    mixture = fit_mixture(points, 2, seed=0)
    torch.testing.assert_close(mixture.log_variances.exp(), torch.full((2, 2), 1e-3))


@pytest.mark.parametrize("seed", range(5))
def test_known_classes_say_which_component_is_which(seed):
    points, of = clouds()
    order = torch.randperm(4, generator=torch.Generator().manual_seed(seed))
    classes = torch.full_like(of, -1)
    for c in range(4):
        classes[(of == order[c]).nonzero()[:2, 0]] = c  # two of each are known
    mixture = fit_mixture(points, 4, seed, classes)
    torch.testing.assert_close(mixture.means, CENTRES[order], rtol=0, atol=0.3)
    torch.testing.assert_close(
        mixture.log_weights.exp(), torch.tensor([0.5, 0.25, 0.15, 0.1])[order], rtol=1e-3, atol=0
    )


def test_with_known_classes_it_is_the_fit_that_starts_from_them():
    """Expectation maximisation step by step, until the likelihood gains less than 1e-3."""
    points, of = clouds(spread=3.0)
    classes = of.where(torch.arange(len(of)) % 3 == 0, -1)
    h, known = points.double(), classes >= 0
    means = torch.stack([h[classes == c].mean(0) for c in range(4)])
    within = (h[known] - means[classes[known]]).var(0, correction=0) + 1e-3
    variances, weights, before = within.expand(4, 3), torch.full((4,), 0.25).double(), -torch.inf
    for _ in range(100):
        of_component = Normal(means, variances.sqrt()).log_prob(h[:, None]).sum(-1) + weights.log()
        gamma, now = of_component.softmax(1), of_component.logsumexp(1).mean()
        weights = gamma.mean(0)
        means = gamma.T @ h / gamma.sum(0)[:, None]
        variances = gamma.T @ h.square() / gamma.sum(0)[:, None] - means.square() + 1e-3
        if now - before < 1e-3:
            break
        before = now
    found = fit_mixture(points, 4, 0, classes)
    expected = (weights.log(), means, variances.log())
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs.float(), rtol=1e-4, atol=1e-4)


def test_points_that_are_not_finite_are_refused():
    with pytest.raises(InputError, match=r"not finite, .*; lower optimizer\.lr"):
        fit_mixture(torch.full((9, 2), torch.nan), 4, seed=0)
