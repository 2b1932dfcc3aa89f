"""Likelihoods of generative models: the distribution of features given the decoder's outputs.

Features are independent of each other, and log-likelihoods are in nats including their constants,
so that bounds of models with the same features are comparable. The decoder has
`outputs_per_feature` outputs for each of D features; if there are two, the first D are means. Nats
are float32, whatever the precision of the decoder.

The default is a Gaussian with a fixed deviation on standardised features. With a learnt variance,
the likelihood of a feature that the decoder reconstructs exactly grows without bound, so that a few
constant features outweigh everything else; a learnt variance with a lower bound is an option.
Bernoulli is for features in [0, 1] that are mostly near 0 or 1, like pixels.
"""

import math
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor
from torch.nn.functional import softplus

from musicssl.errors import InputError

_LOG_2PI = math.log(2 * math.pi)


class Likelihood(Protocol):
    """A distribution of features, given the outputs of a decoder."""

    @property
    def standardised(self) -> bool:
        """Whether features must have mean 0 and deviation 1."""

    @property
    def outputs_per_feature(self) -> int:
        """Number of outputs of the decoder for each feature."""

    def negative_log(self, outputs: Tensor, x: Tensor) -> Tensor:
        """Return -log p(x) of features, (..., D), given outputs, (..., k D): nats, (...)."""

    def mean(self, outputs: Tensor) -> Tensor:
        """Return the expected features, (..., D)."""

    def check(self, x: Tensor) -> None:
        """Check that features, (N, D), are possible values of the distribution.

        Raises:
            InputError: If they are not.
        """


@dataclass(frozen=True)
class FixedGaussian:
    """A Gaussian with the same deviation for every feature.

    Attributes:
        std: Standard deviation, in units of the standardised features; the smaller it is, the more
            weight the reconstruction has relative to the prior of the latent variables.

    Raises:
        InputError: If `std` is not positive.
    """

    std: float = 1.0
    standardised = True
    outputs_per_feature = 1

    def __post_init__(self) -> None:
        _check_deviation("std", self.std)

    def negative_log(self, outputs: Tensor, x: Tensor) -> Tensor:
        """Return the nats of features, (..., D) -> (...)."""
        constant = x.shape[-1] * (0.5 * _LOG_2PI + math.log(self.std))
        return 0.5 * ((x - outputs) / self.std).square().sum(dim=-1) + constant

    def mean(self, outputs: Tensor) -> Tensor:
        """Return the outputs, which are the means."""
        return outputs

    def check(self, x: Tensor) -> None:
        """Accept all features."""


@dataclass(frozen=True)
class BoundedGaussian:
    """A Gaussian whose deviation the decoder predicts for each feature of each clip.

    The variance is `min_std**2 + exp(output)`. It approaches its bound smoothly, where a clamp
    would stop the gradient, and is about 1 before training, like that of standardised features.

    Attributes:
        min_std: Smallest standard deviation, in units of the standardised features.

    Raises:
        InputError: If `min_std` is not positive.
    """

    min_std: float = 0.05
    standardised = True
    outputs_per_feature = 2

    def __post_init__(self) -> None:
        _check_deviation("min_std", self.min_std)

    def negative_log(self, outputs: Tensor, x: Tensor) -> Tensor:
        """Return the nats of features, (..., D) -> (...)."""
        mean, raw = outputs.float().chunk(2, dim=-1)
        least = 2 * math.log(self.min_std)
        log_variance = least + softplus(raw - least)  # log(exp(least) + exp(raw))
        square = (x - mean).square() * (-log_variance).exp()
        return 0.5 * (square + log_variance + _LOG_2PI).sum(dim=-1)

    def mean(self, outputs: Tensor) -> Tensor:
        """Return the first half of the outputs."""
        return outputs.chunk(2, dim=-1)[0]

    def check(self, x: Tensor) -> None:
        """Accept all features."""


@dataclass(frozen=True)
class Bernoulli:
    """Features that are probabilities; outputs are logits.

    For features strictly between 0 and 1 this is not a density, but, as usual, a cross-entropy
    whose minimum is at a mean equal to the feature.
    """

    standardised = False
    outputs_per_feature = 1

    def negative_log(self, outputs: Tensor, x: Tensor) -> Tensor:
        """Return the nats of features, (..., D) -> (...)."""
        logits = outputs.float()
        # -log p(x) = softplus(l) - x l; torch's own function does not broadcast.
        return (softplus(logits) - x * logits).sum(dim=-1)

    def mean(self, outputs: Tensor) -> Tensor:
        """Return the probabilities."""
        return outputs.sigmoid()

    def check(self, x: Tensor) -> None:
        """Check that features are in [0, 1].

        Raises:
            InputError: If they are not.
        """
        if x.numel() and not (float(x.min()) >= 0 and float(x.max()) <= 1):
            raise InputError(
                f"likelihood=bernoulli needs features in [0, 1], but these are from "
                f"{float(x.min()):.3g} to {float(x.max()):.3g}; choose likelihood=gaussian."
            )


def _check_deviation(name: str, value: object) -> None:
    if not isinstance(value, int | float) or not value > 0:
        raise InputError(f"likelihood.{name} must be positive, got {value}.")
