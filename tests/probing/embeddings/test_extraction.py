from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from musicssl.batch import Batch
from musicssl.encoders.att import AttEmbedding
from musicssl.encoders.log_mel_statistics import LogMelStatistics
from musicssl.errors import InputError
from musicssl.networks.classifier import Classifier
from musicssl.networks.pooling import MeanPooling
from musicssl.probing.embeddings.extraction import embed, frozen
from tests.support.tiny import Tiny
from tests.support.tiny_sound import RATE, ArraySound, TinySound

IDENTITY = {"checkpoint": "0123"}
CORPORA = [
    Tiny(30).load(),
    Tiny(30, variable_lengths=True).load(),
    TinySound(30, variable_lengths=True).load(),
]
corpora = pytest.mark.parametrize("corpus", CORPORA, ids=["instances", "ragged", "sound"])


class Normed(nn.Module):
    """Mean and power of a clip, a linear layer and a batch norm; counts the clips that it saw."""

    def __init__(self, num_features):
        super().__init__()
        torch.manual_seed(0)
        self.num_features = num_features
        self.linear = nn.Linear(2 * num_features, 4)
        self.norm = nn.BatchNorm1d(4)
        self.seen = []

    def clip_embeddings(self, batch):
        self.seen.append(len(batch.x))
        assert torch.is_inference_mode_enabled()
        assert not any(module.training for module in self.modules())
        assert not any(parameter.requires_grad for parameter in self.parameters())
        x = batch.x.unflatten(1, (-1, 1)) if batch.x.ndim == 2 else batch.x  # (B, T, F)
        lengths = batch.lengths
        lengths = torch.full((len(x),), x.shape[1]) if lengths is None else lengths
        x = x * (torch.arange(x.shape[1]) < lengths[:, None])[..., None]
        sums = torch.cat([x, x**2], dim=2).sum(dim=1)  # (B, 2 F)
        return self.norm(self.linear(sums / lengths[:, None]))


def by_formula(network, recordings):
    """Embed each clip by itself, in numpy and double precision."""
    weight, bias = (p.detach().double().numpy() for p in network.linear.parameters())
    norm = network.norm
    rows = []
    for clip in recordings:
        x = clip.reshape(len(clip), -1).astype(np.float64)
        h = weight @ np.concatenate([x.mean(axis=0), (x**2).mean(axis=0)]) + bias
        spread = np.sqrt(norm.running_var.double().numpy() + norm.eps)
        rows.append((h - norm.running_mean.double().numpy()) / spread)
    return np.array(rows)


def recordings(corpus):
    if not isinstance(corpus.x, np.ndarray):
        return corpus.x.recordings
    lengths = [corpus.x.shape[1]] * len(corpus.x) if corpus.lengths is None else corpus.lengths
    return [clip[:length] for clip, length in zip(corpus.x, lengths, strict=True)]


def normed_for(corpus):
    network = Normed(corpus.x.shape[2] if isinstance(corpus.x, np.ndarray) else 1)
    network.norm.running_mean.uniform_(-1, 1)
    network.norm.running_var.uniform_(0.5, 2)
    return network


@corpora
def test_embeddings_are_those_of_each_clip_alone_in_the_order_of_the_corpus(corpus, tmp_path):
    network = normed_for(corpus)
    h = embed(network, corpus, IDENTITY, tmp_path, batch_size=8)
    assert (h.dtype, h.shape) == (np.float32, (30, 4))
    assert network.seen == [8, 8, 8, 6]
    np.testing.assert_allclose(h, by_formula(network, recordings(corpus)), rtol=1e-4, atol=1e-5)


@corpora
def test_the_network_is_as_it_was_in_every_bit(corpus, tmp_path):
    """A batch norm in training mode would use the batch, and move its buffers."""
    network = normed_for(corpus).train()
    network.linear.bias.requires_grad_(False)
    state = {name: value.clone() for name, value in network.state_dict().items()}
    embed(network, corpus, IDENTITY, tmp_path, batch_size=8)
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
    assert len(state) == 4 + 3  # weights, and the buffers of the batch norm
    assert all(module.training for module in network.modules())
    learns = {name: parameter.requires_grad for name, parameter in network.named_parameters()}
    assert learns == {
        "linear.weight": True,
        "linear.bias": False,
        "norm.weight": True,
        "norm.bias": True,
    }


def test_a_network_in_evaluation_mode_stays_in_it(tmp_path):
    network = normed_for(CORPORA[0]).eval()
    embed(network, CORPORA[0], IDENTITY, tmp_path)
    assert not any(module.training for module in network.modules())


@corpora
def test_they_are_computed_once_and_then_mapped(corpus, tmp_path):
    first = embed(normed_for(corpus), corpus, IDENTITY, tmp_path)
    network = normed_for(corpus)
    relabelled = replace(corpus, y=1 - corpus.y)
    again = embed(network, relabelled, IDENTITY, tmp_path, batch_size=7)
    assert not network.seen
    np.testing.assert_array_equal(again, first)
    assert isinstance(again, np.memmap)
    assert not again.flags.writeable
    (folder,) = [path for path in (tmp_path / "embeddings").iterdir() if path.is_dir()]
    assert Path(again.filename).parent == folder


def test_another_network_or_other_clips_are_embedded_anew(tmp_path):
    corpus = CORPORA[0]
    x = corpus.x.copy()
    x[0, 0, 0] += 1
    network = normed_for(corpus)
    embed(network, corpus, IDENTITY, tmp_path)
    embed(network, corpus, {"checkpoint": "4567"}, tmp_path)
    embed(network, replace(corpus, x=x), IDENTITY, tmp_path)
    assert network.seen == [30, 30, 30]


def stopped(corpus, cache, batch, batch_size=8):
    """Interrupt an extraction at one of its batches."""
    network = normed_for(corpus)
    embed_clips = network.clip_embeddings

    def clip_embeddings(clips):
        if len(network.seen) == batch:
            raise KeyboardInterrupt
        return embed_clips(clips)

    network.clip_embeddings = clip_embeddings
    with pytest.raises(KeyboardInterrupt):
        embed(network, corpus, IDENTITY, cache, batch_size)
    assert not [path for path in (cache / "embeddings").iterdir() if path.name[0] != "."]


@corpora
@pytest.mark.parametrize("batch", [0, 1, 3])
def test_an_interrupted_extraction_is_resumed_to_the_same_bits(corpus, batch, tmp_path):
    undisturbed = embed(normed_for(corpus), corpus, IDENTITY, tmp_path / "a", batch_size=8)
    stopped(corpus, tmp_path / "b", batch)
    network = normed_for(corpus)
    resumed = embed(network, corpus, IDENTITY, tmp_path / "b", batch_size=8)
    assert network.seen == [8, 8, 8, 6][batch:]
    assert resumed.tobytes() == undisturbed.tobytes()


def test_another_batch_size_starts_again(tmp_path):
    stopped(CORPORA[0], tmp_path, 2)
    network = normed_for(CORPORA[0])
    embed(network, CORPORA[0], IDENTITY, tmp_path, batch_size=20)
    assert network.seen == [20, 10]


def test_a_cache_that_was_cut_off_is_made_again(tmp_path, caplog):
    h = embed(normed_for(CORPORA[0]), CORPORA[0], IDENTITY, tmp_path)
    path, whole = Path(h.filename), np.array(h)
    path.write_bytes(path.read_bytes()[:-4])
    again = embed(normed_for(CORPORA[0]), CORPORA[0], IDENTITY, tmp_path)
    np.testing.assert_array_equal(again, whole)
    assert f"the embeddings in {path.parent} are damaged" in caplog.text


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_embedding_that_is_no_number_names_its_clip(value, tmp_path):
    corpus = TinySound(30).load()
    sounds = [recording.copy() for recording in corpus.x.recordings]
    sounds[17][5] = value
    broken = replace(corpus, x=ArraySound(sounds))
    with pytest.raises(InputError, match=r"tiny_sound: .* clip 'sound-017' is NaN or infinite"):
        embed(normed_for(corpus), broken, IDENTITY, tmp_path, batch_size=8)


def classifier(encoder, **sizes):
    return Classifier(encoder, MeanPooling, num_classes=3, **sizes)


def statistics(**sizes):
    return LogMelStatistics(sample_rate=RATE, chunk_samples=1600, num_mels=8, **sizes)


@pytest.mark.parametrize("batch_size", [1, 32])
def test_a_classifier_embeds_clips_of_any_length_as_alone(batch_size, tmp_path):
    corpus = CORPORA[2]
    network = classifier(statistics, num_features=1, num_instances=1)
    h = embed(network, corpus, IDENTITY, tmp_path, batch_size)
    for row, recording in zip(h, corpus.x.recordings, strict=True):
        x = torch.from_numpy(recording)[None]
        alone = network.clip_embeddings(Batch(x, torch.zeros(1, 3), torch.zeros(1, 3).bool()))
        np.testing.assert_allclose(row, alone[0].detach(), rtol=1e-4, atol=1e-5)


def test_an_encoder_of_the_other_kind_is_refused_with_the_cure(tmp_path):
    of_instances = classifier(AttEmbedding, num_features=1, num_instances=5)
    with pytest.raises(InputError, match="reads instances, but the data are sound"):
        embed(of_instances, CORPORA[2], IDENTITY, tmp_path)
    of_sound = classifier(partial(statistics), num_features=8, num_instances=5)
    with pytest.raises(InputError, match="encoder=log_mel_statistics reads sound, but the data"):
        embed(of_sound, CORPORA[0], IDENTITY, tmp_path)


def network():
    """Modes and parameters of all kinds, and dropout and a batch norm that would show a mistake."""
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 2))
    net.train()
    net[2].eval()
    net[3].requires_grad_(False)
    return net


def modes(net):
    return [module.training for module in net.modules()]


def learning(net):
    return [parameter.requires_grad for parameter in net.parameters()]


def test_a_frozen_network_does_not_learn_and_is_restored_afterwards():
    torch.manual_seed(0)
    net = network()
    before = modes(net), learning(net)
    state = {name: value.clone() for name, value in net.state_dict().items()}
    x = torch.randn(8, 3)
    with frozen(net):
        assert not any(modes(net))
        assert not any(learning(net))
        assert torch.equal(net(x)[:4], net(x[:4]))
    assert (modes(net), learning(net)) == before
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())
    net(x)
    assert not torch.equal(net[1].running_mean, state["1.running_mean"])  # it learns again


def test_an_error_leaves_it_as_it_was():
    net = network()
    before = modes(net), learning(net)
    with pytest.raises(KeyboardInterrupt), frozen(net):
        raise KeyboardInterrupt
    assert (modes(net), learning(net)) == before
