"""A variational autoencoder of clips: diagonal Gaussians, encoder, decoder and bound."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from musicssl.batch import Batch
from musicssl.losses.latents import gaussian_kl
from musicssl.losses.likelihoods import Likelihood
from musicssl.methods.generative.summary import ClipSummary
from musicssl.networks.layers import Dropout


class Gaussian(NamedTuple):
    """A diagonal Gaussian distribution of latent variables.

    Attributes:
        mean: (..., Z).
        log_variance: (..., Z).
    """

    mean: Tensor
    log_variance: Tensor

    def sample(self, noise: Tensor | None = None) -> Tensor:
        """Draw a sample through which gradients flow, (..., Z).

        Args:
            noise: Standard normal, (..., Z); None to draw it.
        """
        noise = torch.randn_like(self.mean) if noise is None else noise
        return self.mean + (0.5 * self.log_variance).exp() * noise


def gaussian_of(outputs: Tensor) -> Gaussian:
    """Return the outputs of a layer, (..., 2 Z), as means and logarithms of variances.

    They are float32, whatever the precision of the layer, because later sums have many terms.
    """
    mean, log_variance = outputs.float().chunk(2, dim=-1)
    return Gaussian(mean, log_variance)


class SummaryEncoder(nn.Module):
    """Embed a clip by fully connected layers on its summary: a bag of one instance.

    Args:
        num_features: Features of an instance, F.
        num_instances: Instances of the longest clip, T.
        summary: Kind of a `ClipSummary`.
        standardised: See `ClipSummary`.
        hidden: Widths of the layers, each with a rectifier and dropout.
        dropout: Probability of dropping a unit after each of them.
    """

    def __init__(
        self,
        num_features: int,
        num_instances: int,
        summary: str,
        standardised: bool,
        hidden: Sequence[int],
        dropout: float,
    ) -> None:
        super().__init__()
        self.embed_dim = hidden[-1]
        self.summary = ClipSummary(num_features, num_instances, summary, standardised)
        layers: list[nn.Module] = []
        for width_in, width_out in pairwise((self.summary.dim, *hidden)):
            layers += [nn.Linear(width_in, width_out), nn.ReLU(), Dropout(dropout)]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor, valid: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Embed clips, (B, T, F), as one vector each, (B, 1, H)."""
        embedded: Tensor = self.layers(self.summary(x, valid))
        return embedded.unsqueeze(1), None


class GaussianEncoder(nn.Module):
    """q(z|x), the posterior of latent variables given a clip's summary.

    As the encoder of a `Classifier` it embeds a clip as the mean of q(z|x), a bag of one instance.

    Args:
        num_features: Features of an instance, F.
        num_instances: Instances of the longest clip, T.
        summary: Kind of a `ClipSummary`.
        standardised: See `ClipSummary`.
        hidden: Widths of the hidden layers.
        latent_dim: Z.
    """

    def __init__(
        self,
        num_features: int,
        num_instances: int,
        summary: str,
        standardised: bool,
        hidden: Sequence[int],
        latent_dim: int,
    ) -> None:
        super().__init__()
        self.embed_dim = latent_dim
        self.summary = ClipSummary(num_features, num_instances, summary, standardised)
        self.layers = mlp((self.summary.dim, *hidden), 2 * latent_dim)

    def inputs(self, batch: Batch) -> Tensor:
        """Return the summaries of the clips of a batch, (B, D).

        Raises:
            InputError: See `ClipSummary.of`.
        """
        return self.summary.of(batch)

    def posterior(self, summaries: Tensor) -> Gaussian:
        """Return q(z|x) of summaries, (B, D)."""
        return gaussian_of(self.layers(summaries))

    def forward(self, x: Tensor, valid: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Embed clips, (B, T, F), as one vector each, (B, 1, Z)."""
        return self.posterior(self.summary(x, valid)).mean.unsqueeze(1), None


class Decoder(nn.Module):
    """p(x|z).

    Args:
        latent_dim: Z.
        hidden: Widths of the hidden layers, those of the encoder reversed.
        num_inputs: Features of a summary, D.
        likelihood: Likelihood of the features.
    """

    def __init__(
        self, latent_dim: int, hidden: Sequence[int], num_inputs: int, likelihood: Likelihood
    ) -> None:
        super().__init__()
        self.likelihood = likelihood
        outputs = likelihood.outputs_per_feature * num_inputs
        self.layers = mlp((latent_dim, *hidden), outputs)

    def negative_log(self, z: Tensor, x: Tensor) -> Tensor:
        """Return -log p(x|z) in nats, (..., Z) and (..., D) -> (...)."""
        return self.likelihood.negative_log(self.layers(z), x)

    def decoded(self, z: Tensor) -> Tensor:
        """Return the expected features, (..., Z) -> (..., D)."""
        return self.likelihood.mean(self.layers(z))

    def forward(self, z: Tensor) -> Tensor:
        """Return the expected features, (..., Z) -> (..., D)."""
        return self.decoded(z)


def mlp(widths: Sequence[int], out_features: int) -> nn.Sequential:
    """Build linear layers with rectifiers in between; the last layer has none."""
    layers: list[nn.Module] = []
    for width_in, width_out in pairwise(widths):
        layers += [nn.Linear(width_in, width_out), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], out_features))


class Bound(NamedTuple):
    """The parts of the negative evidence lower bound, in nats.

    Attributes:
        reconstruction: -log p(x|z) at one sample of z, (...).
        kl: KL(q(z|x) || p(z)), (...).
    """

    reconstruction: Tensor
    kl: Tensor

    @property
    def total(self) -> Tensor:
        """Sum of both parts, the loss, (...)."""
        return self.reconstruction + self.kl


def vae_bound(
    encoder: GaussianEncoder, decoder: Decoder, x: Tensor, noise: Tensor | None = None
) -> Bound:
    """Bound -log p(x) from above, with a single sample of z.

    Kingma and Welling 2014, https://arxiv.org/abs/1312.6114, equation 10 with L = 1.

    Args:
        encoder: q(z|x).
        decoder: p(x|z).
        x: Summaries of clips, (B, D).
        noise: Standard normal, (B, Z); None to draw it.
    """
    q = encoder.posterior(x)
    return Bound(decoder.negative_log(q.sample(noise), x), gaussian_kl(*q))
