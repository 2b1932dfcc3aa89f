"""Features are standardised with the statistics of the training clips, and of no others."""

from functools import partial

import numpy as np
import pytest
import torch

from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.encoders.att import AttEmbedding
from musicssl.encoders.fc import FullyConnected
from musicssl.encoders.fc_t import FullyConnectedPerInstance
from musicssl.encoders.gru import GRUEncoder
from musicssl.methods.att import AttentionMIL
from musicssl.networks.standardise import Standardise
from tests.support.tiny import Tiny
from tests.support.training import quiet_trainer, supervised_parts


def test_standardised_features_have_mean_0_and_deviation_1():
    x = torch.randn(50, 4, 3) * torch.tensor([1.0, 20.0, 0.05]) + 5
    layer = Standardise(3)
    assert torch.equal(layer(x), x)
    layer.fit(x.mean(dim=(0, 1)), x.std(dim=(0, 1), correction=0))
    torch.testing.assert_close(layer(x).mean(dim=(0, 1)), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(layer(x).std(dim=(0, 1), correction=0), torch.ones(3))


def test_a_feature_that_never_changes_stays_finite():
    layer = Standardise(3)
    layer.fit(torch.tensor([3.0, 0.0, 0.0]), torch.tensor([0.0, 1.0, 2.0]))
    assert layer(torch.tensor([[3.0, 0, 0], [3.001, 0, 0]])).abs().max() < 0.11
    constant = Standardise(1)
    constant.fit(torch.tensor([3.0]), torch.tensor([0.0]))
    assert constant(torch.tensor([[3.0], [3.5]])).tolist() == [[0.0], [0.5]]


def test_values_far_outside_of_the_training_clips_are_cut_off():
    layer = Standardise(1)
    layer.fit(torch.tensor([1.0]), torch.tensor([0.5]))
    assert layer(torch.tensor([[-100.0], [6.0], [100.0]])).flatten().tolist() == [-10, 10, 10]


def test_statistics_of_a_checkpoint_are_kept():
    first, second = Standardise(2), Standardise(2)
    first.fit(torch.ones(2), torch.full((2,), 4.0))
    second.load_state_dict(first.state_dict())
    second.fit(torch.zeros(2), torch.ones(2))
    assert torch.equal(second.mean, first.mean)
    assert torch.equal(second.deviation, first.deviation)


@pytest.mark.parametrize("variable_lengths", [False, True])
def test_statistics_are_those_of_valid_instances_of_training_clips(variable_lengths):
    module = SemiSupervisedDataModule(Tiny(variable_lengths=variable_lengths), p_s=0.1)
    corpus, rows = module.corpus, module.rows("train")
    lengths = corpus.lengths
    instances = np.concatenate(
        [corpus.x[row, : corpus.x.shape[1] if lengths is None else lengths[row]] for row in rows]
    )
    mean, deviation = module.feature_statistics()
    np.testing.assert_allclose(mean, instances.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(deviation, instances.std(axis=0), atol=1e-6)


@pytest.mark.parametrize(
    "encoder", [AttEmbedding, FullyConnected, FullyConnectedPerInstance, GRUEncoder]
)
def test_an_encoder_reads_what_another_reads_of_features_standardised_before(encoder):
    torch.manual_seed(0)
    x = 3 * torch.randn(6, 5, 8) + 2
    mean, deviation = x.mean(dim=(0, 1)), x.std(dim=(0, 1), correction=0)
    plain = encoder(8, 5).eval()
    with_layer = encoder(8, 5, standardise=True).eval()
    with_layer.load_state_dict(plain.state_dict(), strict=False)
    with_layer.standardise.fit(mean, deviation)
    expected, _ = plain((x - mean) / deviation)
    torch.testing.assert_close(with_layer(x)[0], expected)


def test_a_method_fits_all_its_layers_once(tmp_path):
    encoder = partial(AttEmbedding, dropout=0.0, standardise=True)
    module = SemiSupervisedDataModule(Tiny(), batch_size=16)
    method = AttentionMIL(**supervised_parts(encoder=encoder))
    quiet_trainer(tmp_path).fit(method, module)
    layer = method.classifier.encoder.standardise
    mean, deviation = module.feature_statistics()
    assert bool(layer.is_fitted)
    assert torch.equal(layer.mean, mean)
    assert torch.equal(layer.deviation, deviation)
