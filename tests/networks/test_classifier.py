from functools import partial

import pytest
import torch
from torch import nn

from musicssl.batch import Batch
from musicssl.encoders.att import AttEmbedding
from musicssl.encoders.fc import FullyConnected
from musicssl.encoders.fc_t import FullyConnectedPerInstance
from musicssl.encoders.gru import GRUEncoder
from musicssl.errors import InputError
from musicssl.networks.classifier import Classifier
from musicssl.networks.pooling import (
    AttentionPooling,
    AutoPooling,
    GatedAttentionPooling,
    MaxPooling,
    MeanPooling,
)

ENCODERS = {
    "att": partial(AttEmbedding, dropout=0.0),
    "fc_t": partial(FullyConnectedPerInstance, dropout=0.0),
    "gru": partial(GRUEncoder, hidden=4, dropout=0.0),
    "gru_last_frame": partial(GRUEncoder, hidden=4, dropout=0.0, summary="last_frame"),
    "gru_frames": partial(GRUEncoder, hidden=4, dropout=0.0, summary="frames"),
}
POOLINGS = [MeanPooling, MaxPooling, AttentionPooling, GatedAttentionPooling, AutoPooling]


def test_the_embedding_of_a_clip_is_the_mean_of_its_instances_without_padding():
    network = classifier("fc_t", MeanPooling)
    batch = Batch(torch.rand(3, 5, 6).double(), None, None, torch.tensor([5, 2, 1]))
    alone = [
        network.clip_embeddings(Batch(batch.x[i : i + 1, :length], None, None))[0]
        for i, length in enumerate(batch.lengths)
    ]
    torch.testing.assert_close(network.clip_embeddings(batch), torch.stack(alone))
    h, _ = network.embed(batch._replace(lengths=None))
    torch.testing.assert_close(alone[1], sum(h[1, :2]) / 2)


def every_network(test):
    by_pooling = pytest.mark.parametrize("pooling", POOLINGS, ids=lambda kind: kind.__name__)
    return pytest.mark.parametrize("encoder", ENCODERS)(by_pooling(test))


def classifier(encoder, pooling):
    torch.manual_seed(0)
    network = Classifier(
        ENCODERS[encoder], pooling, num_features=6, num_instances=5, num_classes=3
    ).double()
    for parameter in network.pooling.parameters():
        nn.init.normal_(parameter)
    return network.train()


def batch(x, lengths=None):
    y = torch.zeros(len(x), 3)
    return Batch(x, y, y.bool(), None if lengths is None else torch.tensor(lengths))


def trained_on(network, clips):
    """Logits, gradients and batch-norm statistics of one training step."""
    logits = network(clips)
    (logits * torch.arange(1.0, 1 + logits.numel()).view_as(logits)).sum().backward()
    gradients = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
    return logits, gradients, dict(network.named_buffers())


@pytest.mark.parametrize(
    ("encoder", "pooling", "parameters"),
    [
        (AttEmbedding, AttentionPooling, 55_336),
        (FullyConnected, MeanPooling, 986_772),
        (FullyConnectedPerInstance, MeanPooling, 52_116),
        (GRUEncoder, MeanPooling, 226_068),
    ],
)
def test_networks_have_exactly_the_papers_number_of_parameters(encoder, pooling, parameters):
    network = Classifier(encoder, pooling, num_features=128, num_instances=10, num_classes=20)
    assert sum(p.numel() for p in network.parameters()) == parameters
    clips = Batch(torch.rand(4, 10, 128), torch.zeros(4, 20), torch.zeros(4, 20).bool())
    assert network(clips).shape == (4, 20)


@every_network
def test_a_padded_and_masked_batch_trains_as_the_batch_itself(encoder, pooling):
    torch.manual_seed(1)
    x = torch.rand(4, 5, 6, dtype=torch.float64)
    padding = torch.full((4, 3, 6), 100.0, dtype=torch.float64)
    plain = trained_on(classifier(encoder, pooling), batch(x))
    padded = trained_on(
        classifier(encoder, pooling), batch(torch.cat([x, padding], dim=1), lengths=[5] * 4)
    )
    torch.testing.assert_close(padded, plain)


@every_network
def test_the_content_of_padding_changes_nothing_in_a_ragged_batch(encoder, pooling):
    torch.manual_seed(1)
    x, lengths = torch.rand(4, 5, 6, dtype=torch.float64), [5, 1, 3, 2]
    other = x.clone()
    for clip, length in enumerate(lengths):
        other[clip, length:] = 1e4 * torch.randn(5 - length, 6)
    results = [trained_on(classifier(encoder, pooling), batch(v, lengths)) for v in (x, other)]
    torch.testing.assert_close(*results, rtol=0, atol=0)


@every_network
def test_a_clip_is_judged_alike_alone_and_among_longer_ones(encoder, pooling):
    network = classifier(encoder, pooling).eval()
    torch.manual_seed(1)
    x, lengths = torch.rand(4, 5, 6, dtype=torch.float64), [5, 1, 3, 2]
    together = network(batch(x, lengths))
    for clip, length in enumerate(lengths):
        alone = network(batch(x[clip : clip + 1, :length]))
        torch.testing.assert_close(together[clip : clip + 1], alone)


@every_network
def test_instances_combine_to_the_logits_of_the_clip(encoder, pooling):
    network = classifier(encoder, pooling).eval()
    clips = batch(torch.rand(4, 5, 6, dtype=torch.float64), [5, 1, 3, 2])
    instances = network.instances(clips)
    num_instances = 1 if encoder in ("gru", "gru_last_frame") else 5
    assert instances.logits.shape == instances.log_weights.shape == (4, num_instances, 3)
    torch.testing.assert_close(network.pooling.combine(instances), network(clips))


@pytest.mark.parametrize("lengths", [None, [5, 1, 3, 2]])
def test_att_is_the_weighted_sum_of_the_paper(lengths):
    """S(x) = sum_t w_t f(x_t), w_t = v_t / sum_u v_u, one clip, class and instance at a time."""
    network = classifier("att", AttentionPooling)
    with torch.no_grad():
        network(batch(torch.rand(50, 5, 6, dtype=torch.float64)))  # statistics for evaluation
    network.eval()
    clips = batch(torch.rand(4, 5, 6, dtype=torch.float64), lengths)
    pooling = network.pooling
    probabilities = network(clips).sigmoid()
    for b, clip in enumerate(clips.x):
        bag = clip if lengths is None else clip[: lengths[b]]
        embedded = [network.encoder.layers(x[None])[0] + x for x in bag]
        for c in range(3):
            total, norm = 0.0, 0.0
            for h in embedded:
                f = torch.sigmoid(pooling.classifier.weight[c] @ h + pooling.classifier.bias[c])
                v = torch.sigmoid(pooling.attention.weight[c] @ h + pooling.attention.bias[c])
                total, norm = total + v * f, norm + v
            torch.testing.assert_close(probabilities[b, c], total / norm)


def test_a_single_instance_cannot_train_a_batch_norm():
    """And only that: torch's own error says nothing of clips, and others pass unchanged."""
    network = Classifier(AttEmbedding, AttentionPooling, 6, 1, 3)
    one = Batch(torch.rand(1, 1, 6), None, None)
    with pytest.raises(InputError, match=r"single clip of one instance.*data\.batch_size to at le"):
        network.train()(one)
    assert network.eval()(one).shape == (1, 3)
    assert network.train()(Batch(torch.rand(2, 1, 6), None, None)).shape == (2, 3)
    network.encoder.forward = lambda x, valid: int("x")
    with pytest.raises(ValueError, match="invalid literal"):
        network(one)


class TwoStages(AttEmbedding):
    def with_stages(self, x, valid=None):
        return self(x, valid), [(2 * x, valid), self(x, valid)]


@pytest.mark.parametrize("lengths", [None, torch.tensor([5, 2, 1])])
def test_stages_come_with_the_logits_as_means_over_time(lengths):
    torch.manual_seed(0)
    batch = Batch(torch.rand(3, 5, 6).double(), None, None, lengths)
    network = Classifier(partial(TwoStages, dropout=0.0), AttentionPooling, 6, 5, 4).double().eval()
    logits, stages = network.with_stages(batch)
    torch.testing.assert_close(logits, network(batch))
    for row, length in enumerate([5, 5, 5] if lengths is None else lengths):
        torch.testing.assert_close(stages[0][row], 2 * batch.x[row, :length].mean(dim=0))
    torch.testing.assert_close(stages[1], network.clip_embeddings(batch))


def test_an_encoder_without_stages_has_one():
    network = classifier("fc_t", MeanPooling)
    batch = Batch(torch.rand(3, 5, 6).double(), None, None)
    logits, [stage] = network.with_stages(batch)
    torch.testing.assert_close(logits, network(batch))
    torch.testing.assert_close(stage, network.clip_embeddings(batch))
