"""Oracle: the classifier in evaluation."""

from functools import partial

import pytest
import torch

from musicssl.batch import Batch
from musicssl.encoders.att import AttEmbedding
from musicssl.encoders.crnn import CRNN
from musicssl.encoders.gru import GRUEncoder
from musicssl.encoders.samplecnn import SampleCNN
from musicssl.evaluation.tasks import MULTI_CLASS
from musicssl.networks.classifier import Classifier
from musicssl.networks.pooling import MeanPooling
from musicssl.probing.finetuning.network import FineTunedNetwork, with_linear_head
from musicssl.probing.linear import LinearProbe

ENCODERS = {
    "att": AttEmbedding,
    "gru": partial(GRUEncoder, hidden=4),
    "samplecnn": partial(SampleCNN, chunk_samples=729, num_blocks=5, width=16),
    "crnn": partial(CRNN, chunk_samples=8000, width=4),
}


def network_and_batch(name, as_evaluated):
    torch.manual_seed(0)
    classifier = Classifier(ENCODERS[name], MeanPooling, 8, 5, 3)
    x = torch.rand(6, 5, 8) if name in ("att", "gru") else torch.rand(6, 8000)
    batch = Batch(x, torch.eye(3).repeat(2, 1), torch.ones(6, 3, dtype=torch.bool))
    optimizer = partial(torch.optim.SGD, lr=0.1)
    return FineTunedNetwork(classifier, MULTI_CLASS, optimizer, as_evaluated), batch


@pytest.mark.parametrize("name", ENCODERS)
def test_in_training_the_encoder_may_stay_in_evaluation_mode(name):
    network, batch = network_and_batch(name, as_evaluated=True)
    buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}
    learning, evaluated = network.train()(batch), network.eval()(batch)
    torch.testing.assert_close(learning, evaluated)
    assert all(torch.equal(buffers[name], buffer) for name, buffer in network.named_buffers())
    network.training_step(batch, 0).backward()
    assert all(p.grad is not None for p in network.parameters())


@pytest.mark.parametrize("name", ENCODERS)
def test_or_as_in_training(name):
    network, batch = network_and_batch(name, as_evaluated=False)
    assert not torch.allclose(network.train()(batch), network.eval()(batch))


def test_scores_and_loss_are_those_of_the_task():
    network, batch = network_and_batch("att", as_evaluated=True)
    logits = network.classifier.eval()(batch)
    torch.testing.assert_close(network.scores(batch), logits.softmax(1))
    nll = torch.nn.CrossEntropyLoss()(logits, torch.arange(3).repeat(2))
    torch.testing.assert_close(network.training_step(batch, 0), nll)


def test_a_head_starts_as_a_probe_or_as_zero():
    encoder = AttEmbedding(8).eval()
    batch = Batch(torch.rand(6, 5, 8), torch.zeros(6, 3), torch.ones(6, 3, dtype=torch.bool))
    probe = LinearProbe(torch.randn(3, 8), torch.randn(3), strength=1.0, val_loss=0.0)
    expected = encoder(batch.x)[0].mean(1) @ probe.weight.T + probe.bias
    torch.testing.assert_close(with_linear_head(encoder, probe, 3)(batch), expected)
    assert (with_linear_head(encoder, None, 3)(batch) == 0).all()
