import pytest
import torch
from torch.distributions import Normal

from musicssl.losses.likelihoods import BoundedGaussian, FixedGaussian
from musicssl.methods.generative.latent_features import (
    ActiveDimensions,
    KeptLikelihood,
    LatentFeatures,
)


def kept_dimensions(*kept):
    subject = ActiveDimensions(len(kept))
    subject.mask.copy_(torch.tensor(kept))
    return subject


def test_dimensions_that_hardly_vary_are_dropped():
    generator = torch.Generator().manual_seed(0)
    means = torch.randn(500, 4, generator=generator)
    means = 3 + (means - means.mean(dim=0)) / means.std(dim=0, correction=0)
    subject = ActiveDimensions(4)
    subject.fit(means * torch.tensor([1.0, 0.09, 0.11, 0.0]))
    assert subject.mask.tolist() == [True, False, True, False]


def test_what_is_dropped_is_0_in_every_number_of_a_dimension():
    subject = kept_dimensions(True, False, True)
    values = torch.arange(1.0, 7.0)
    assert subject(values).tolist() == [1, 0, 3, 4, 0, 6]
    assert subject(values.view(2, 3)).tolist() == [[1, 0, 3], [4, 0, 6]]


def test_features_are_the_kept_means_of_the_encoder():
    torch.manual_seed(0)
    subject = LatentFeatures(8, 5, "mean", True, (6,), 3)
    subject.kept.mask[1] = False
    x = torch.randn(4, 7, 8)
    valid = torch.arange(7).expand(4, 7) < torch.tensor([[7], [3], [5], [1]])
    summaries = torch.stack([x[i, valid[i]].mean(dim=0) for i in range(4)])
    expected = subject.encoder.layers(summaries)[:, :3] * torch.tensor([1.0, 0.0, 1.0])
    assert subject.dim == 3
    torch.testing.assert_close(subject(x, valid), expected)


@pytest.mark.parametrize("likelihood", [FixedGaussian(0.7), BoundedGaussian(0.3)])
def test_only_what_is_kept_is_likely_or_not(likelihood):
    """The oracle is torch's normal distribution on two of four features."""
    subject = KeptLikelihood(likelihood, kept_dimensions(True, False, False, True))
    assert subject.outputs_per_feature == likelihood.outputs_per_feature
    generator = torch.Generator().manual_seed(0)
    outputs = torch.randn(5, 4 * subject.outputs_per_feature, generator=generator)
    outputs.requires_grad_()
    x = torch.randn(5, 4, generator=generator) * torch.tensor([1.0, 0.0, 0.0, 1.0])
    found = subject.negative_log(outputs, x)
    std = torch.tensor(0.7)
    if isinstance(likelihood, BoundedGaussian):
        std = (0.3**2 + outputs[:, [4, 7]].exp()).sqrt()
    expected = -Normal(outputs[:, [0, 3]], std).log_prob(x[:, [0, 3]]).sum(dim=1)
    torch.testing.assert_close(found, expected)
    found.sum().backward()
    assert (outputs.grad.view(5, -1, 4)[..., [1, 2]] == 0).all()
    assert (outputs.grad.view(5, -1, 4)[:, 0, [0, 3]] != 0).all()
    assert (subject.mean(outputs)[:, [1, 2]] == 0).all()
    torch.testing.assert_close(subject.mean(outputs)[:, [0, 3]], outputs[:, [0, 3]])
