"""Parts are built from a description, and described."""

import json
from functools import partial

import pytest
import torch

from musicssl.encoders.att import AttEmbedding
from musicssl.errors import InputError
from musicssl.inference.parts import built, described
from musicssl.losses.likelihoods import BoundedGaussian
from musicssl.methods.generative.autoencoders import MlpPair
from musicssl.methods.generative.labelwise import LabelwiseEncoder
from musicssl.methods.generative.summary import ClipSummary
from musicssl.networks.pooling import MeanPooling

TRUSTED = ("musicssl.encoders", "musicssl.networks", "musicssl.methods.generative")


def test_what_is_described_is_built_again():
    encoder = partial(
        LabelwiseEncoder,
        num_models=2,
        features=partial(ClipSummary, kind="mean_std", standardised=True),
        hidden=(5, 4),
        dropout=0.1,
    )
    again = built(described(encoder), TRUSTED, "x")
    one, other = (make(num_features=3, num_instances=7) for make in (encoder, again))
    assert str(one) == str(other)
    assert one.state_dict().keys() == other.state_dict().keys()


def test_a_method_of_a_dataclass_is_described_with_all_that_it_knows():
    pair = MlpPair(BoundedGaussian(0.3), latent_dim=2, hidden=(5, 4))
    settings = described(partial(pair.encoder, num_tokens=None))
    assert settings == json.loads(json.dumps(settings))  # plain values
    trusted = (*TRUSTED, "musicssl.losses.likelihoods")
    again = built(settings, trusted, "x", {"num_features": 3, "num_instances": 7})
    first = pair.encoder(num_features=3, num_instances=7, num_tokens=None)
    assert str(again()) == str(first)
    [owner] = settings["_args_"]
    assert built(owner, trusted, "x") == MlpPair(BoundedGaussian(0.3), 2, hidden=[5, 4])


def test_settings_are_built_as_by_hydra():
    settings = {
        "_target_": "musicssl.encoders.att.AttEmbedding",
        "_partial_": True,
        "num_layers": 1,
        "dropout": 0.0,
    }
    make = built(settings, TRUSTED, "x", {"num_features": 4})
    assert isinstance(make, partial)
    assert isinstance(make(), AttEmbedding)
    settings["_partial_"] = False
    assert built(settings, TRUSTED, "x", {"num_features": 4}).embed_dim == 4
    assert built({"a": [1, {"b": None}]}, TRUSTED, "x") == {"a": [1, {"b": None}]}


@pytest.mark.parametrize(
    "target", ["os.system", "builtins.eval", "musicssl.cache.discard", "torch.load"]
)
def test_nothing_else_is_called(target):
    with pytest.raises(InputError, match=f"x wants to call {target}"):
        built([{"deep": {"_target_": target, "_args_": ["echo"]}}], TRUSTED, "x")


def test_settings_that_build_nothing_are_refused():
    with pytest.raises(InputError, match=r"x has settings that build no .*AttEmbedding"):
        built({"_target_": "musicssl.encoders.att.AttEmbedding", "colour": 1}, TRUSTED, "x")


def test_a_class_is_described_by_its_name():
    expected = "musicssl.networks.pooling.MeanPooling"
    assert described(MeanPooling) == {"_target_": expected, "_partial_": True}
    with pytest.raises(TypeError, match="Tensor cannot be described"):
        described(torch.zeros(1))
