"""Methods that regularise latent variables, on few melodies and on the Tiny corpus."""

from functools import cache, partial

import torch

from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.datasets.dmelodies import DMelodies
from musicssl.losses.likelihoods import FixedGaussian
from musicssl.methods.generative.autoencoders import CnnPair, MlpPair
from musicssl.methods.generative.warmup import Warmup
from musicssl.schedules import constant

NO_WARMUP = Warmup(epochs=0.0, ramp=0.0)
MELODIES = DMelodies(share=1e-4)  # 95 train, 27 validate, 14 test


@cache
def _sizes():
    datamodule = melodies()
    datamodule.setup()
    return datamodule.sizes


def token_parts(**changes):
    """Return what a `LatentVAE` of melodies is built from."""
    parts = {
        "autoencoder": CnnPair(latent_dim=10, channels=(8, 8, 8, 16)),
        "optimizer": partial(torch.optim.Adam, lr=1e-2),
        "schedule": constant,
    }
    return parts | _sizes() | changes


def feature_parts(**changes):
    """Return what a `LatentVAE` of the Tiny corpus is built from."""
    parts = {
        "autoencoder": MlpPair(FixedGaussian(), latent_dim=4, hidden=(16,)),
        "optimizer": partial(torch.optim.Adam, lr=1e-2),
        "schedule": constant,
        "num_features": 8,
        "num_instances": 5,
        "num_classes": 3,
    }
    return parts | changes


def melodies(**settings):
    return SemiSupervisedDataModule(MELODIES, **({"batch_size": 32, "b_s": 0} | settings))


def seeded(kind, **parts):
    torch.manual_seed(0)
    return kind(**parts)


def equal_states(first, second):
    """Whether two modules have the same weights to the bit."""
    pairs = zip(first.state_dict().items(), second.state_dict().items(), strict=True)
    return all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)
