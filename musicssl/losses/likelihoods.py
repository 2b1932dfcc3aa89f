"""What a generative model takes features for: their distribution given what the decoder says.

All are independent over features, and in nats: the constants count, so that bounds of models with
the same features compare. The decoder has `outputs_per_feature` outputs for each of D features;
where there are two, the first D are means. Nats are float32, whatever the precision of the decoder.

The default is a Gaussian of fixed deviation on standardised features. A learned variance makes the
likelihood of a feature that the decoder gets right grow without bound, so that a few constant
features outweigh all else; bounded from below it is an option. Bernoulli is for features in [0, 1]
that are more or less on or off, as pixels are.
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
        """Whether it is for features of mean 0 and deviation 1."""

    @property
    def outputs_per_feature(self) -> int:
        """Outputs that the decoder must have for each feature."""

    def negative_log(self, outputs: Tensor, x: Tensor) -> Tensor:
        """Return -log p(x) of features, (..., D), given outputs, (..., k D): nats, (...)."""

    def mean(self, outputs: Tensor) -> Tensor:
        """Return the expected features, (..., D)."""

    def check(self, x: Tensor) -> None:
        """Refuse features, (N, D), that cannot be distributed so.

        Raises:
            InputError: If there are any.
        """


@dataclass(frozen=True)
class FixedGaussian:
    """A Gaussian of the same deviation for every feature.

    Attributes:
        std: Standard deviation, in units of the standardised features; the smaller, the more a
            faithful reconstruction counts against the prior of the latent variables.

    Raises:
        InputError: If it is not positive.
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
    """A Gaussian whose deviation the decoder learns for each feature of each clip.

    The variance is `min_std**2 + exp(output)`: a bound that is approached, where a clamp would stop
    the gradient, and about 1, that of standardised features, before anything is learnt.

    Attributes:
        min_std: Least standard deviation, in units of the standardised features.

    Raises:
        InputError: If it is not positive.
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

    For features strictly between 0 and 1 this is no density, but a cross-entropy that is least
    where the mean is the feature, as is usual.
    """

    standardised = False
    outputs_per_feature = 1

    def negative_log(self, outputs: Tensor, x: Tensor) -> Tensor:
        """Return the nats of features, (..., D) -> (...)."""
        logits = outputs.float()
        # -log p(x) = softplus(l) - x l; torch's own function wants both of one form.
        return (softplus(logits) - x * logits).sum(dim=-1)

    def mean(self, outputs: Tensor) -> Tensor:
        """Return the probabilities."""
        return outputs.sigmoid()

    def check(self, x: Tensor) -> None:
        """Refuse features outside [0, 1].

        Raises:
            InputError: If there are any.
        """
        if x.numel() and not (float(x.min()) >= 0 and float(x.max()) <= 1):
            raise InputError(
                f"likelihood=bernoulli is for features in [0, 1], but these go from "
                f"{float(x.min()):.3g} to {float(x.max()):.3g}; choose likelihood=gaussian."
            )


def _check_deviation(name: str, value: object) -> None:
    if not isinstance(value, int | float) or not value > 0:
        raise InputError(f"likelihood.{name} must be positive, got {value}.")
