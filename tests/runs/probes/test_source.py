"""Oracles: a slow loop over instances, the method itself, seeds."""

from functools import partial

import numpy as np
import pytest
import torch

from musicssl.batch import Batch
from musicssl.data.corpus import LoadedCorpus
from musicssl.encoders.att import AttEmbedding
from musicssl.encoders.fc_t import FullyConnectedPerInstance
from musicssl.encoders.log_mel_statistics import LogMelStatistics
from musicssl.errors import InputError
from musicssl.runs.checkpoint import Checkpoint, load_method
from musicssl.runs.probes.encoder_source import InstanceStatistics, of_encoder, of_statistics
from musicssl.runs.probes.source import NetworkSource, of_checkpoint, untrained
from tests.support import training_command
from tests.support.tiny import Tiny
from tests.support.tiny_sound import TinySound

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """Of a method that predicts with its network, and of one that does with an average of it."""
    return {
        name: training_command.run(
            tmp_path_factory.mktemp(name), f"method={name}", "data.b_s=0.5"
        ).best
        for name in ("att", "mean_teacher")
    }


def clips(lengths=None):
    corpus = Tiny().load()
    x = torch.from_numpy(corpus.x[:6])
    return Batch(x, torch.zeros(6, 3), torch.zeros(6, 3, dtype=torch.bool), lengths)


def test_statistics_of_instances_leave_padding_out():
    lengths = torch.tensor([5, 1, 3, 5, 2, 4])
    batch = clips(lengths)
    found = InstanceStatistics().clip_embeddings(batch)
    for clip, length, h in zip(batch.x, lengths, found, strict=True):
        heard = clip[:length].numpy()
        assert np.allclose(h, np.concatenate([heard.mean(0), heard.std(0)]), atol=1e-6)
    full = InstanceStatistics().clip_embeddings(batch._replace(lengths=None))
    assert torch.equal(full[0], found[0])


@pytest.mark.slow
def test_the_network_is_the_one_that_the_method_predicts_with(checkpoints):
    batch = clips()
    for name, path in checkpoints.items():
        method, _ = load_method(path)
        source = of_checkpoint(Checkpoint.read(path))
        h = source.network.clip_embeddings(batch)
        if name == "mean_teacher":
            assert not torch.equal(h, method.classifier.clip_embeddings(batch))
            assert torch.equal(h, method.teacher.average.clip_embeddings(batch))
        else:
            assert torch.equal(h, method.classifier.clip_embeddings(batch))
        origin = source.origin
        assert (origin.kind, origin.name, origin.seed) == ("checkpoint", name, 0)
        assert (origin.p_s, origin.b_s, origin.trained_on) == (1.0, 0.5, "tiny")
        assert origin.run == str(path.parents[1])


def test_an_untrained_network_is_drawn_from_its_seed_and_from_nothing_else(checkpoints):
    path, batch = checkpoints["att"], clips()
    torch.manual_seed(0)
    state = torch.get_rng_state()
    drawn = [
        untrained(Checkpoint.read(path), seed).network.clip_embeddings(batch) for seed in (1, 2, 1)
    ]
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(drawn[0], drawn[2])
    assert not torch.equal(drawn[0], drawn[1])
    assert not torch.equal(
        drawn[0], of_checkpoint(Checkpoint.read(path)).network.clip_embeddings(batch)
    )
    assert (
        untrained(Checkpoint.read(path), 1).identity != untrained(Checkpoint.read(path), 2).identity
    )
    assert "weights" not in untrained(Checkpoint.read(path), 1).settings["encoder"]


def test_the_network_of_a_method_that_brings_its_own_is_called_by_the_method(tmp_path):
    small = ("method=dgm", "method.h1=8", "method.h2=0", "method.latent_dim=2")
    path = training_command.run(tmp_path, *small).best
    sources = [
        of_checkpoint(Checkpoint.read(path)),
        untrained(Checkpoint.read(path), 1),
        untrained(Checkpoint.read(path), 1),
        untrained(Checkpoint.read(path), 2),
    ]
    trained, *drawn = (source.network.clip_embeddings(clips()) for source in sources)
    assert trained.shape == (6, 3 * 8)
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert not torch.equal(drawn[0], trained)
    assert sources[1].origin.label == "dgm, untrained"


def test_an_encoder_by_itself_is_drawn_from_its_seed():
    encoder = partial(LogMelStatistics, sample_rate=800, chunk_samples=800)
    state = torch.get_rng_state()
    corpus = TinySound().load()
    source = of_encoder(encoder, "log_mel_statistics", {"bands": 3}, 5, corpus)
    assert torch.equal(torch.get_rng_state(), state)
    assert source.settings == {"encoder": {"bands": 3}}
    assert source.identity["seed"] == 5
    assert source.origin.label == "log_mel_statistics, untrained"


@pytest.mark.parametrize("encoder", [AttEmbedding, FullyConnectedPerInstance])
def test_an_encoder_of_instances_is_built_for_those_of_the_corpus(encoder):
    source = of_encoder(encoder, "it", {}, 0, Tiny(num_features=9, num_instances=4).load())
    batch = Batch(torch.rand(2, 4, 9), torch.zeros(2, 3), torch.zeros(2, 3, dtype=torch.bool))
    with torch.no_grad():
        assert source.network.clip_embeddings(batch).shape[0] == 2
    assert source.num_features == 9


def test_statistics_of_sound_are_of_log_mel_spectra():
    source = of_statistics(16_000)
    with torch.no_grad():
        h = source.network.clip_embeddings(Batch(torch.randn(2, 16_000), *[torch.zeros(2, 1)] * 2))
    assert h.shape[1] == source.network.encoder.embed_dim
    assert source.origin.label == "log-mel statistics"
    with pytest.raises(InputError, match="probe=finetune"):
        _ = source.encoder
    with pytest.raises(InputError, match="probe=finetune"):
        _ = of_statistics(None).encoder


def test_instances_of_another_width_are_refused(checkpoints, tmp_path):
    source = of_checkpoint(Checkpoint.read(checkpoints["att"]))
    assert isinstance(source, NetworkSource)
    wide = LoadedCorpus(Tiny(num_features=9).load())
    with pytest.raises(InputError, match="instances of 8 features, but those of tiny have 9"):
        source.embedded(wide.load, tmp_path, 32, CPU)
    assert not list(tmp_path.iterdir())
