"""M classifiers in the form of an encoder and a pooling."""

from functools import partial

import pytest
import torch
from torch.nn.functional import linear, relu

from musicssl.batch import Batch
from musicssl.methods.generative.labelwise import LabelwiseEncoder, LabelwiseHead
from musicssl.methods.generative.summary import ClipSummary
from musicssl.networks.classifier import Classifier


def classifier(num_models, num_classes, dropout=0.5):
    torch.manual_seed(0)
    encoder = partial(
        LabelwiseEncoder,
        num_models=num_models,
        features=partial(ClipSummary, kind="mean_std", standardised=False),
        hidden=(7, 6),
        dropout=dropout,
    )
    pooling = partial(LabelwiseHead, num_models=num_models)
    return Classifier(encoder, pooling, 4, 5, num_classes)


def clips(lengths=None):
    return Batch(torch.randn(9, 5, 4), torch.zeros(9, 1), torch.zeros(9, 1).bool(), lengths)


@pytest.mark.parametrize(("num_models", "num_classes"), [(3, 3), (1, 3), (1, 1)])
def test_logits_are_those_of_a_network_for_each_model(num_models, num_classes):
    network = classifier(num_models, num_classes).eval()
    batch = clips(torch.arange(9) % 5 + 1)
    features = network.encoder.features.of(batch)
    head, expected, embeddings = network.pooling.classifier, [], []
    for model in range(num_models):
        h = features
        for layer in network.encoder.hidden.layers:
            h = relu(linear(h, layer.weight[model].T, layer.bias[model, 0]))
        embeddings.append(h)
        expected.append(linear(h, head.weight[model].T, head.bias[model, 0]))
    torch.testing.assert_close(network(batch), torch.cat(expected, dim=1))
    torch.testing.assert_close(network.clip_embeddings(batch), torch.cat(embeddings, dim=1))
    assert network.encoder.embed_dim == num_models * 6


def test_a_clip_is_its_own_single_instance():
    network, batch = classifier(3, 3).eval(), clips()
    instances = network.instances(batch)
    assert torch.equal(instances.logits, network(batch).unsqueeze(1))
    assert torch.equal(instances.log_weights.exp(), torch.ones(9, 1, 3))


def test_units_are_dropped_in_training_alone():
    network, batch = classifier(3, 3), clips()
    assert not torch.equal(network.train()(batch), network(batch))
    assert torch.equal(network.eval()(batch), network(batch))
