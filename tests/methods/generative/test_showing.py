"""What models say for pictures is what their parts say when they are asked directly."""

import pytest
import torch

from musicssl.evaluation.tasks import task_named
from musicssl.losses.likelihoods import BoundedGaussian, FixedGaussian
from musicssl.methods.generative.joint import JointM2
from musicssl.methods.generative.latent_features import KeptLikelihood, LatentFeatures
from musicssl.methods.generative.m2 import M2
from musicssl.methods.generative.pictures import shown_joint, shown_m2, shown_stacked, shown_vae
from musicssl.methods.generative.selected import SelectedWeights
from musicssl.methods.generative.summary import ClipSummary
from musicssl.methods.generative.vae import Decoder, GaussianEncoder

D, Z, C, N = 8, 2, 3, 6
LABELS, CLASS = task_named("multi_label"), task_named("multi_class")


@pytest.fixture
def x():
    return torch.randn(N, D, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def z():
    return torch.randn(N, Z, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def y():
    return (torch.rand(N, C, generator=torch.Generator().manual_seed(2)) < 0.5).float()


def selected(*values):
    """Models of these values, each kept from an epoch of its own."""
    weights = SelectedWeights({}, len(values))
    weights.best.copy_(torch.tensor(values))
    weights.epochs.copy_(torch.arange(len(values)))
    return weights


def test_each_label_is_shown_by_its_own_m2(x, z, y):
    m2 = M2(C, 2, D, (7,), Z, FixedGaussian())
    model = shown_m2(m2, ClipSummary(D, 1), LABELS, selected(0.4, 0.2, 0.9))
    means = m2.posterior(x.expand(C, N, D), y.T.long()).mean
    decoded = m2.decode(z.expand(C, N, Z), y.T.long())
    for label in range(C):
        torch.testing.assert_close(model.inferred(x, y, label), means[label])
        torch.testing.assert_close(model.decoded(z, y, label), decoded[label])
    assert model.label == 1  # the least loss
    assert model.epochs == (0, 1, 2)


def test_a_model_that_never_validated_is_not_shown_before_one_that_did():
    m2 = M2(C, 2, D, (7,), Z, FixedGaussian())
    values = selected(torch.inf, 3.0, torch.inf)
    assert shown_m2(m2, ClipSummary(D, 1), LABELS, values).label == 1


def test_one_m2_of_all_classes_reads_the_class(x, z):
    m2 = M2(1, C, D, (7,), Z, FixedGaussian())
    model = shown_m2(m2, ClipSummary(D, 1), CLASS, selected(0.4))
    answers = torch.tensor([0, 2, 1, 1, 0, 2])
    y = torch.eye(C)[answers]
    [means] = m2.posterior(x[None], answers[None]).mean
    [decoded] = m2.decode(z[None], answers[None])
    for label in range(C):  # it is the same whichever class is looked at
        torch.testing.assert_close(model.inferred(x, y, label), means)
        torch.testing.assert_close(model.decoded(z, y, label), decoded)
    assert model.label is None
    assert model.epochs == ()


def test_showing_one_of_many_models_copies_no_weights_and_changes_none(x, y):
    m2 = M2(C, 2, D, (7,), Z, FixedGaussian())
    before = {name: values.clone() for name, values in m2.state_dict().items()}
    model = shown_m2(m2, ClipSummary(D, 1), LABELS, selected(*[0.0] * C))
    with torch.no_grad():
        one = model.inferred(x, y, 1)
        m2.encoder_z.last.bias[1] += 1  # is seen: the weights are the same
        torch.testing.assert_close(model.inferred(x, y, 1), one + 1)
        m2.encoder_z.last.bias[1] -= 1
    torch.testing.assert_close(dict(m2.state_dict()), before)


def test_an_autoencoder_is_shown_by_its_means_whatever_the_classes(x, z, y):
    encoder = GaussianEncoder(4, 5, "mean_std", True, (6,), Z)
    decoder = Decoder(Z, (6,), D, FixedGaussian())
    model = shown_vae(encoder, decoder)
    torch.testing.assert_close(model.inferred(x, y, 0), encoder.posterior(x).mean)
    torch.testing.assert_close(model.decoded(z, 1 - y, 2), decoder(z))
    assert not model.reads_classes
    assert model.summary is encoder.summary
    assert model.prior.log_weights.exp().tolist() == [1.0]
    assert torch.stack([*model.prior[1:]]).equal(torch.zeros(2, 1, Z))


def test_a_stack_is_shown_from_the_features_to_the_features(x, z, y):
    features = LatentFeatures(4, 5, "mean_std", True, (6,), 5)
    features.kept.mask[1] = False
    decoder = Decoder(5, (6,), D, FixedGaussian())
    m2 = M2(C, 2, 5, (7,), Z, KeptLikelihood(BoundedGaussian(), features.kept))
    summary = features.encoder.summary
    model = shown_stacked(shown_m2(m2, summary, LABELS, selected(*[0.0] * C)), features, decoder)
    z1 = features.encoder.posterior(x).mean * torch.tensor([1.0, 0, 1, 1, 1])
    means = m2.posterior(z1.expand(C, N, 5), y.T.long()).mean
    decoded = decoder(m2.decode(z.expand(C, N, Z), y.T.long()))
    for label in range(C):
        torch.testing.assert_close(model.inferred(x, y, label), means[label])
        torch.testing.assert_close(model.decoded(z, y, label), decoded[label])


def test_a_joint_model_reads_all_labels(x, z, y):
    joint = JointM2(C, D, (7,), Z, FixedGaussian())
    model = shown_joint(joint, ClipSummary(D, 1))
    for label in range(C):
        torch.testing.assert_close(model.inferred(x, y, label), joint.posterior(x, y).mean)
        torch.testing.assert_close(model.decoded(z, y, label), joint.decode(z, y))
