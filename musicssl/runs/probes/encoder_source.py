"""What is probed without a run: an encoder as it is, or statistics of the input."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from musicssl.batch import Batch, valid_instances
from musicssl.data.corpus import Corpus
from musicssl.encoders.log_mel_statistics import LogMelStatistics
from musicssl.errors import InputError
from musicssl.networks.classifier import Classifier
from musicssl.networks.pooling import MeanPooling
from musicssl.runs.pretrained import (
    encoder_label,
    hear_module,
    weights_digest,
    weights_of,
    without_weights,
)
from musicssl.runs.probes.source import NetworkSource, Origin, of_hear


def of_encoder(
    encoder: partial[Any], name: str, settings: Mapping[str, Any], seed: int, corpus: Corpus
) -> NetworkSource:
    """Return an encoder with published weights, or with weights that are drawn.

    Args:
        encoder: Builds it.
        name: The word typed after `encoder=`.
        settings: Settings that it is built with, plain values.
        seed: Seed of the weights.
        corpus: Corpus whose instances it is built for; sound needs no sizes.
    """
    num_instances, num_features = 1, 1
    if corpus.is_tokens:
        raise InputError(
            f"encoder={name} reads instances or sound, but dataset={corpus.name} has tokens; probe "
            "a checkpoint of a method that reads tokens, such as method=beta_vae."
        )
    if not corpus.is_sound:
        num_instances, num_features = corpus.instances.shape[1:]
    network = drawn_network(encoder, seed, num_features, num_instances)
    if hear_module(settings) is not None:
        return of_hear(network, settings)
    weights = weights_of(settings)
    sizes = {"num_features": num_features, "num_instances": num_instances}
    identity: dict[str, Any] = {"encoder": dict(settings), "seed": seed, "sizes": sizes}
    label = encoder_label(name, settings)
    if weights is None:
        origin = Origin("untrained", label, f"{name}, untrained", seed=seed)
    else:  # nothing is drawn, and where files lie has no bearing
        origin = Origin("pretrained", label, f"{name} {Path(weights).stem}")
        del identity["seed"]
        identity["encoder"].pop("weights_folder", None)
    files = weights_digest(settings)
    if files is not None:
        identity["encoder"] = without_weights(identity["encoder"]) | {"files": files}
    return NetworkSource(origin, identity, network.eval(), corpus.num_features)


def drawn_network(
    encoder: partial[Any], seed: int, num_features: int, num_instances: int
) -> Classifier:
    """Build an encoder with weights that are drawn, unless it brings some.

    Args:
        encoder: Builds it.
        seed: Seed of the weights.
        num_features: Of an instance; 1 for sound.
        num_instances: Number of instances of a clip; 1 for sound.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return Classifier(encoder, MeanPooling, num_features, num_instances, num_classes=1)


class InstanceStatistics(torch.nn.Module):
    """Embed a clip as mean and standard deviation of each feature over its instances."""

    def clip_embeddings(self, batch: Batch) -> Tensor:
        """Return means and deviations, (B, 2 F), padding left out."""
        num_instances = batch.x.shape[1]
        lengths = batch.lengths
        if lengths is None:
            lengths = torch.full((len(batch.x),), num_instances, device=batch.x.device)
        valid = valid_instances(lengths, num_instances)[..., None]  # (B, T, 1)
        count = lengths[:, None]
        mean = batch.x.where(valid, 0).sum(1) / count  # (B, F)
        variance = (batch.x - mean[:, None]).where(valid, 0).square().sum(1) / count
        return torch.cat([mean, variance.sqrt()], dim=1)


def of_statistics(sample_rate: int | None) -> NetworkSource:
    """Return what needs no learning: mean and deviation over time of each feature of the input.

    Args:
        sample_rate: Sample rate of sound, in Hz, whose features are log-mel bands; None for
            instances, which are features.
    """
    if sample_rate is None:
        label = "statistics of its features"
        origin = Origin("statistics", "statistics", label)
        return NetworkSource(origin, {"statistics": "instances"}, InstanceStatistics())
    encoder = partial(LogMelStatistics, sample_rate=sample_rate, chunk_samples=sample_rate)
    network = Classifier(encoder, MeanPooling, num_features=1, num_instances=1, num_classes=1)
    origin = Origin("statistics", "log_mel", "log-mel statistics")
    return NetworkSource(
        origin, {"statistics": "log_mel", "sample_rate": sample_rate}, network.eval()
    )
