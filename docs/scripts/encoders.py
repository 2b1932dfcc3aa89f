"""What encoders and poolings are: shapes and numbers of parameters, measured on the networks."""

from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

import torch
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from torch import nn

import musicssl.cli.resolvers  # noqa: F401 registers the resolvers of conf/
from docs.scripts.conf_files import CONF, options, read
from docs.scripts.docstrings import arguments_of, text_of
from docs.scripts.tables import settings_table
from musicssl.errors import InputError

SIZES = {"num_features": 128, "num_instances": 10}
NUM_CLASSES = 20


class Measured(NamedTuple):
    """An encoder, built with its defaults.

    Attributes:
        reads: What a clip is, such as "10 instances of 128 features".
        instances: Number of instances that it makes of that clip, T.
        embed_dim: Width of an embedding, D.
        parameters: Number of parameters that are trained.
    """

    reads: str
    instances: int
    embed_dim: int
    parameters: int


def measure(name: str) -> Measured:
    """Build an encoder and embed one clip of its default length.

    Raises:
        InputError: If it cannot be built from its defaults alone.
    """
    config = _composed(f"encoder={name}")
    encoder = instantiate(config.encoder)(**SIZES).eval()
    if getattr(encoder, "of_sound", False):
        rate, seconds = config.features.sample_rate, config.data.crop_seconds
        clip, reads = torch.zeros(1, round(rate * seconds)), f"{seconds:.3g} s at {rate:,} Hz"
    else:
        clip = torch.zeros(1, SIZES["num_instances"], SIZES["num_features"])
        reads = "{num_instances} instances of {num_features} features".format(**SIZES)
    with torch.no_grad():
        embedded, _ = encoder(clip)
    return Measured(reads, embedded.shape[1], embedded.shape[2], count(encoder))


def count(network: nn.Module) -> int:
    """Return the number of parameters of a network."""
    return sum(parameter.numel() for parameter in network.parameters())


@cache
def encoders_page() -> str:
    """Return the tables and the sections of encoders and poolings, in Markdown."""
    encoders = "".join(_encoder_row(name) for name in options("encoder"))
    poolings = "".join(_pooling_row(name) for name in options("pooling"))
    return (
        "\n## Encoders: sizes\n\n"
        "Encoders of instances are measured on 10 instances of 128 features (mean log-mel spectra, "
        "`features=log_mel_means`), encoders of sound on a clip of `data.crop_seconds`, all with "
        "their default settings and without the classifier, which belongs to the pooling.\n\n"
        "| `encoder=` | reads | instances, T | width, D | parameters |\n|---|---|---|---|---|\n"
        f"{encoders}"
        "\n## Poolings: sizes\n\n"
        f"On instances of 128 features, for {NUM_CLASSES} classes, the classifier included, and "
        "`pooling.statistics=0`.\n\n"
        f"| `pooling=` | parameters |\n|---|---|\n{poolings}"
        + "".join(_section("encoder", name) for name in options("encoder"))
        + "".join(_section("pooling", name) for name in options("pooling"))
    )


def _encoder_row(name: str) -> str:
    link = f"[`{name}`](#{_slug('encoder', name)})"
    try:
        found = measure(name)
    except InputError:
        return f"| {link} | as its settings say | | | |\n"
    sizes = f"{found.instances} | {found.embed_dim:,} | {found.parameters:,}"
    return f"| {link} | {found.reads} | {sizes} |\n"


def _pooling_row(name: str) -> str:
    pooling = instantiate(_composed(f"pooling={name}", "pooling.statistics=0").pooling)(
        SIZES["num_features"], NUM_CLASSES
    )
    return f"| [`{name}`](#{_slug('pooling', name)}) | {count(pooling):,} |\n"


def _section(group: str, name: str) -> str:
    conf = read(group, name)
    module, _, called = conf.target.rpartition(".")
    built = getattr(import_module(module), called)
    settings = f"\n{settings_table(conf, arguments_of(built))}" if conf.settings else ""
    text = text_of(built.__doc__ or "")
    return f"\n## {group} {name} {{: #{_slug(group, name)} }}\n\n{text}\n{settings}"


def _slug(group: str, name: str) -> str:
    return f"{group}-{name.replace('_', '-')}"


def _composed(*overrides: str) -> Any:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", [*overrides, "data.root=."], return_hydra_config=True)
    HydraConfig.instance().set_config(config)
    return config
