"""What is probed: a network that was trained, or one that was not, or embeddings from elsewhere."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import torch
from torch import Tensor

from musicssl.batch import Batch
from musicssl.data.corpus import Corpus, embedded_corpus
from musicssl.encoders.hear import HearEncoder
from musicssl.errors import InputError
from musicssl.methods.base.method import Method
from musicssl.networks.classifier import Classifier
from musicssl.networks.standardise import Standardise
from musicssl.networks.time_summary import over_time
from musicssl.networks.transfer import part_of
from musicssl.probing.embeddings.extraction import Embedder, embed
from musicssl.runs.checkpoint import Checkpoint
from musicssl.runs.pretrained import (
    hear_module,
    without_weights,
)
from musicssl.runs.probes.folder import run_of


@dataclass(frozen=True)
class Origin:
    """Where embeddings come from, for reports.

    Attributes:
        kind: "checkpoint"; "pretrained", an encoder with published weights; "untrained", a network
            that learnt nothing; "statistics" of the input; "embeddings" from elsewhere.
        name: Name of the training run, the encoder or the file.
        label: What tables call it.
        run: Folder of the training run.
        seed: Seed of the training run, or of the weights that were drawn.
        p_s: `data.p_s` of the training run.
        b_s: `data.b_s` of the training run.
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
        names: Names of the layers, (L,).
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
        """Its properties that are not in the configuration, by name."""

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
        network: Network that embeds clips, on the CPU, in evaluation mode.
        num_features: Number of features of the instances that it was made for; None for any, or for
            sound.
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
            raise nothing_to_tune(self.origin)
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

    def summarised(self, summary: str) -> "NetworkSource":
        """Return the same network with another summary of a clip's instances than their mean.

        Args:
            summary: See `musicssl.networks.time_summary`.
        """
        if summary == "mean":
            return self
        assert isinstance(self.network, Classifier)
        origin = replace(self.origin, label=f"{self.origin.label}, {summary}")
        identity = {**self.identity, "summary": summary}
        return replace(
            self, origin=origin, identity=identity, network=_Summarised(self.network, summary)
        )

    def _check_width(self, corpus: Corpus) -> None:
        width = corpus.num_features
        if None not in (width, self.num_features) and width != self.num_features:
            raise InputError(
                f"{self.origin.label} was made for instances of {self.num_features} features, but "
                f"those of {corpus.name} have {width}; choose the corpus with the features that "
                "it was trained on."
            )


class _Summarised(torch.nn.Module):
    """A network that embeds a clip as a summary of its instances."""

    def __init__(self, network: Classifier, summary: str) -> None:
        super().__init__()
        self.network, self.summary = network, summary

    def clip_embeddings(self, batch: Batch) -> Tensor:
        """Return one embedding of each clip, (B, D) or (B, 2 D)."""
        return over_time(*self.network.embed(batch), self.summary)


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

    Its name is that of its encoder, or of the method if the method has its own network. Features
    are standardised as the checkpoint does, for that needs no training.

    Args:
        checkpoint: Checkpoint of the method.
        seed: Seed of the weights; None for the seed of the run that the checkpoint is of.
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
        return of_hear(_network(method, checkpoint.path), settings)
    name = str(settings["_target_"]).split(".")[-2]
    origin = Origin("untrained", f"untrained_{name}", f"{name}, untrained", seed=seed)
    identity = {"encoder": settings, "seed": seed}
    if standardising:
        identity["standardised_as"] = checkpoint.digest
    return NetworkSource(origin, identity, _network(method, checkpoint.path), _width(checkpoint))


def of_hear(network: Classifier, settings: Mapping[str, Any]) -> NetworkSource:
    """Return a HEAR module as it is; its weights count, and not where they lie."""
    module = str(hear_module(settings))
    named = {"module": module, "embeddings": settings["embeddings"]}
    encoder = network.encoder
    identity = {"encoder": named, "weights": encoder.digest, "code": encoder.code}
    return NetworkSource(Origin("pretrained", f"hear_{module}", module), identity, network.eval())


def nothing_to_tune(origin: Origin) -> InputError:
    """Return the error that there is no encoder to fine-tune."""
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
