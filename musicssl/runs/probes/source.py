"""What is probed: a network that was trained, or one that was not, or embeddings from elsewhere."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import torch
from torch import Tensor

from musicssl.batch import Batch, valid_instances
from musicssl.cache import file_identity
from musicssl.data.corpus import Corpus, LoadedCorpus, embedded_corpus
from musicssl.datasets.embeddings import EmbeddingsFile
from musicssl.datasets.formats.embeddings_file import SavedEmbeddings
from musicssl.datasets.formats.embeddings_layers import ALL, clip_layers, instances
from musicssl.encoders.hear import HearEncoder
from musicssl.encoders.log_mel_statistics import LogMelStatistics
from musicssl.errors import InputError
from musicssl.methods.base.method import Method, part_of
from musicssl.networks.classifier import Classifier
from musicssl.networks.pooling import MeanPooling
from musicssl.networks.standardise import Standardise
from musicssl.probing.embeddings.extraction import Embedder, embed
from musicssl.runs.checkpoint import Checkpoint
from musicssl.runs.pretrained import (
    encoder_label,
    hear_module,
    weights_digest,
    weights_of,
    without_weights,
)
from musicssl.runs.probes.folder import run_of

EACH = "each"  # of the layers of a file


@dataclass(frozen=True)
class Origin:
    """Where embeddings come from, for reports.

    Attributes:
        kind: "checkpoint"; "pretrained", an encoder with published weights; "untrained", a network
            that learnt nothing; "statistics" of the input; "embeddings" from elsewhere.
        name: Of the training run, the encoder or the file.
        label: What tables call it.
        run: Folder of the training run.
        seed: Of the training run, or of the weights that were drawn.
        p_s: Of the training run, and so on.
        b_s: As well.
        trained_on: Name of its corpus.
        checkpoint: SHA-256 of the file, if it is a checkpoint.
    """

    kind: Literal["checkpoint", "pretrained", "untrained", "statistics", "embeddings"]
    name: str
    label: str
    run: str | None = None
    seed: int | None = None
    p_s: float | None = None
    b_s: float | None = None
    trained_on: str | None = None
    checkpoint: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


Load = Callable[[], Corpus]


class Layers(NamedTuple):
    """The layers of embeddings, (N, L, D).

    Attributes:
        names: Of the layers, (L,).
        widths: Features of each; what follows in its D are zeros.
    """

    names: Sequence[str]
    widths: Sequence[int]


class Source(Protocol):
    """Where the embeddings of clips come from.

    Attributes:
        origin: What it is.
        identity: What its embeddings follow from, beside the clips; plain values.
    """

    @property
    def origin(self) -> Origin:
        """What it is."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """What its embeddings follow from, beside the clips; plain values."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """What the configuration does not say of it, by name."""

    @property
    def layers(self) -> "Layers | None":
        """The layers of its embeddings; None if a clip has one embedding."""

    @property
    def encoder(self) -> torch.nn.Module:
        """What can be fine-tuned.

        Raises:
            InputError: If there is nothing.
        """

    def embedded(self, load: Load, cache: Path, batch_size: int, device: torch.device) -> Corpus:
        """Return a corpus of embeddings, whose clips are (N, 1, D), or (N, L, D) with layers.

        Args:
            load: Reads the corpus.
            cache: Folder of derived data.
            batch_size: Clips to embed at a time.
            device: To embed on.
        """


@dataclass(frozen=True, eq=False)
class NetworkSource:
    """A network that makes embeddings.

    Attributes:
        origin: What it is.
        identity: What its embeddings follow from, beside the clips; plain values.
        network: That embeds clips, on the CPU, in evaluation mode.
        num_features: Of the instances that it was made for; None for any, or for sound.
    """

    origin: Origin
    identity: Mapping[str, Any]
    network: Embedder
    num_features: int | None = None

    @property
    def settings(self) -> Mapping[str, Any]:
        """The settings of an encoder that has learnt nothing."""
        return {"encoder": self.identity["encoder"]} if "encoder" in self.identity else {}

    @property
    def layers(self) -> None:
        """None: a clip has one embedding."""

    @property
    def encoder(self) -> torch.nn.Module:
        """The encoder of the network.

        Raises:
            InputError: If it has none that could learn.
        """
        if not isinstance(self.network, Classifier) or self.origin.kind == "statistics":
            raise _nothing_to_tune(self.origin)
        encoder: torch.nn.Module = self.network.encoder
        if isinstance(encoder, HearEncoder) and not encoder.trainable:
            raise InputError(
                f"probe=finetune trains an encoder on, and {self.origin.label} is frozen; add "
                "encoder.trainable=true, or choose probe=linear."
            )
        return encoder

    def embedded(self, load: Load, cache: Path, batch_size: int, device: torch.device) -> Corpus:
        """Embed a corpus, or find that this was done.

        Raises:
            InputError: If its instances are not of the width that the network was made for.
        """
        corpus = load()
        self._check_width(corpus)
        h = embed(self.network, corpus, self.identity, cache, batch_size, device)
        return embedded_corpus(corpus, h)

    def _check_width(self, corpus: Corpus) -> None:
        width = corpus.num_features
        if None not in (width, self.num_features) and width != self.num_features:
            raise InputError(
                f"{self.origin.label} was made for instances of {self.num_features} features, but "
                f"those of {corpus.name} have {width}; choose the corpus with the features that "
                "it was trained on."
            )


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


@dataclass(frozen=True, eq=False)
class FileSource:
    """A file of embeddings; instances of clips are averaged.

    Attributes:
        path: Of the file.
        has_labels: Whether the labels are those of the file, and not of a corpus.
        layer: "each" for all its layers, if it has some; "all" for all side by side; or the name or
            number of one.
    """

    path: Path
    has_labels: bool
    layer: str | int = EACH

    @property
    def origin(self) -> Origin:
        """The file, and the layer."""
        which = "" if self.layer == EACH else f", layer {self.layer}"
        which = ", all layers" if self.layer == ALL else which
        return Origin("embeddings", self.path.stem, self.path.name + which)

    @property
    def identity(self) -> Mapping[str, Any]:
        """A hash of the file, and the layer."""
        which = {} if self.layer == EACH else {"layer": str(self.layer)}
        return {"embeddings": file_identity(self.path), **which}

    @property
    def settings(self) -> Mapping[str, Any]:
        """Nothing."""
        return {}

    @property
    def layers(self) -> Layers | None:
        """The layers of the file, if all of them are probed and there are several."""
        saved = self._saved
        if self.layer != EACH or saved.layers is None or len(saved.layers) == 1:
            return None
        dim = saved.embeddings.shape[-1]
        widths = [dim] * len(saved.layers) if saved.widths is None else saved.widths.tolist()
        return Layers(saved.layers.tolist(), widths)

    @property
    def encoder(self) -> torch.nn.Module:
        """Nothing.

        Raises:
            InputError: Always.
        """
        raise _nothing_to_tune(self.origin)

    def embedded(self, load: Load, cache: Path, batch_size: int, device: torch.device) -> Corpus:
        """Read the file.

        Raises:
            InputError: If it is damaged, lacks clips of the corpus, or has no such layer.
        """
        file = EmbeddingsFile(self.path, None if self.has_labels else LoadedCorpus(load()))
        saved = self._saved
        if self.layer != EACH:
            x = instances(self.path, saved, self.layer, "layers")
            saved = replace(saved, embeddings=x, layers=None, widths=None)
        return file.corpus_of(self.path, saved, clip_layers(saved))

    @cached_property
    def _saved(self) -> SavedEmbeddings:
        return EmbeddingsFile(self.path).read()[1]


def of_checkpoint(checkpoint: Checkpoint, trusted: Sequence[str] = ()) -> NetworkSource:
    """Return the network that the method of a checkpoint predicts with.

    Raises:
        InputError: As `Checkpoint.method` does; or if the method has no encoder.
    """
    network = _network(checkpoint.method(trusted), checkpoint.path)
    identity = {"checkpoint": checkpoint.digest}
    if isinstance(network.encoder, HearEncoder):
        identity["code"] = network.encoder.code
    return NetworkSource(_origin(checkpoint), identity, network, _width(checkpoint))


def untrained(
    checkpoint: Checkpoint, seed: int | None, trusted: Sequence[str] = ()
) -> NetworkSource:
    """Return the network of a checkpoint with weights that learnt nothing.

    It is called by its encoder, or by the method if that brings a network of its own. Features are
    standardised as the checkpoint does, for that needs no training.

    Args:
        checkpoint: Of the method.
        seed: Of the weights; None for the seed of the run that the checkpoint is of.
        trusted: See `Checkpoint.method`.
    """
    if seed is None:
        seed = int(checkpoint.setting("seed"))
    method_settings = without_weights(checkpoint.setting("method"))
    settings = method_settings.get("encoder", method_settings)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        method = checkpoint.method(trusted, trained=False)
    standardising = [
        (name, part) for name, part in method.named_modules() if isinstance(part, Standardise)
    ]
    for name, part in standardising:
        part.load_state_dict(part_of(checkpoint.weights, name))
    if hear_module(settings) is not None:  # it has learnt, but nothing in this run
        return _of_hear(_network(method, checkpoint.path), settings)
    name = str(settings["_target_"]).split(".")[-2]
    origin = Origin("untrained", f"untrained_{name}", f"{name}, untrained", seed=seed)
    identity = {"encoder": settings, "seed": seed}
    if standardising:
        identity["standardised_as"] = checkpoint.digest
    return NetworkSource(origin, identity, _network(method, checkpoint.path), _width(checkpoint))


def of_encoder(
    encoder: partial[Any], name: str, settings: Mapping[str, Any], seed: int, corpus: Corpus
) -> NetworkSource:
    """Return an encoder with published weights, or with weights that are drawn.

    Args:
        encoder: Builds it.
        name: The word typed after `encoder=`.
        settings: That it is built with, plain values.
        seed: Of the weights.
        corpus: Whose instances it is built for; sound needs no sizes.
    """
    num_instances, num_features = 1, 1
    if corpus.is_tokens:
        raise InputError(
            f"encoder={name} reads instances or sound, but dataset={corpus.name} has tokens; probe "
            "a checkpoint of a method that reads tokens, such as method=beta_vae."
        )
    if not corpus.is_sound:
        num_instances, num_features = corpus.instances.shape[1:]
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        network = Classifier(encoder, MeanPooling, num_features, num_instances, num_classes=1)
    if hear_module(settings) is not None:
        return _of_hear(network, settings)
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


def _of_hear(network: Classifier, settings: Mapping[str, Any]) -> NetworkSource:
    """Return a HEAR module as it is; its weights count, and not where they lie."""
    module = str(hear_module(settings))
    named = {"module": module, "embeddings": settings["embeddings"]}
    encoder = network.encoder
    identity = {"encoder": named, "weights": encoder.digest, "code": encoder.code}
    return NetworkSource(Origin("pretrained", f"hear_{module}", module), identity, network.eval())


def of_statistics(sample_rate: int | None) -> NetworkSource:
    """Return what needs no learning: mean and deviation over time of each feature of the input.

    Args:
        sample_rate: Of sound, in Hz, whose features are log-mel bands; None for instances, which
            are features.
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


def _nothing_to_tune(origin: Origin) -> InputError:
    return InputError(
        f"probe=finetune trains an encoder on, and {origin.label} has none; choose probe=linear."
    )


def _origin(checkpoint: Checkpoint) -> Origin:
    run, name = run_of(checkpoint.path), str(checkpoint.setting("name"))
    return Origin(
        kind="checkpoint",
        name=name,
        label=f"{name} {checkpoint.path.stem if run is None else run.name}",
        run=None if run is None else str(run),
        seed=checkpoint.setting("seed"),
        p_s=checkpoint.setting("data.p_s"),
        b_s=checkpoint.setting("data.b_s"),
        trained_on=str(checkpoint.setting("dataset._target_")).split(".")[-2],
        checkpoint=checkpoint.digest,
    )


def _width(checkpoint: Checkpoint) -> int | None:
    """Return the features of an instance that a checkpoint was trained on; None of sound."""
    num_features: int = checkpoint.sizes.get("num_features", 1)
    return None if num_features == 1 else num_features


def _network(method: Method, path: Path) -> Classifier:
    network = getattr(method, "network", None)
    if not isinstance(network, Classifier):
        raise InputError(
            f"{path} is of a method without an encoder, which has no embeddings to probe; choose "
            "the checkpoint of a network."
        )
    return network
