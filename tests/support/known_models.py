"""Generative models whose every number is known, for the tests of what is shown of models."""

import torch

from musicssl.losses.vade import Mixture
from musicssl.methods.generative.pictures import FeatureModel, standard_normal
from musicssl.methods.generative.summary import ClipSummary

W = torch.tensor([[1.0, 0, 2, 0], [0, 3, 0, 1]])  # (Z, D)
B = torch.tensor([[0.5, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0.0, 0]])  # (C, D), none of the last class


def summary(kind="mean", num_instances=1):
    made = ClipSummary(4, num_instances, kind)
    made.shift.copy_(torch.linspace(-1, 1, made.dim))
    made.scale.copy_(torch.linspace(1, 2, made.dim))
    return made


def linear(prior=None, **changes):
    """z is the first two features; what is decoded is z W + y B."""
    parts = {
        "summary": summary(),
        "prior": standard_normal(2, torch.device("cpu")) if prior is None else prior,
        "inferred": lambda x, y, label: x[:, :2],
        "decoded": lambda z, y, label: z @ W + y @ B,
    }
    return FeatureModel(**(parts | changes))


def identity(**changes):
    """An autoencoder that loses nothing."""
    parts = {
        "prior": standard_normal(4, torch.device("cpu")),
        "inferred": lambda x, y, label: x,
        "decoded": lambda z, y, label: z,
    }
    return linear(**(parts | changes))


def two_components():
    """A mixture, 3 to 1, of components that are far apart."""
    variances = torch.tensor([[1.0, 4.0], [0.25, 1.0]])
    means = torch.tensor([[0.0, 0.0], [10.0, -4.0]])
    return Mixture(torch.tensor([0.75, 0.25]).log(), means, variances.log())
