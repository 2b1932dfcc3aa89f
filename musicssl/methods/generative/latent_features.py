"""The latent variables of M1 instead of the features of clips."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from musicssl.losses.likelihoods import Likelihood
from musicssl.methods.generative.vae import GaussianEncoder


def is_active(means: Tensor, min_std: float = 0.1) -> Tensor:
    """Return which latent variables are active: their posterior means vary from clip to clip.

    Args:
        means: Posterior means of clips, (N, Z).
        min_std: Standard deviation that an active variable must exceed; 0.1 as in the code of the
            authors of M1+M2.

    Returns:
        (Z,) bool.
    """
    return means.std(dim=0, correction=0) > min_std


class ActiveDimensions(nn.Module):
    """Selection of the active latent variables; before `fit`, all are kept.

    Args:
        latent_dim: Number of latent variables, Z.
    """

    mask: Tensor

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.register_buffer("mask", torch.ones(latent_dim, dtype=torch.bool))

    def fit(self, means: Tensor) -> None:
        """Keep only active variables, given the posterior means of clips, (N, Z)."""
        self.mask.copy_(is_active(means))

    def forward(self, values: Tensor) -> Tensor:
        """Set dropped variables to 0 in k consecutive blocks of Z values, (..., k Z)."""
        return values * self.mask.repeat(values.shape[-1] // len(self.mask))


class LatentFeatures(nn.Module):
    """Features of clips: the mean of q(z1|x), the latent variables of an M1; dropped ones are 0.

    They are neither shifted nor scaled: averaged over clips, q(z1|x) is close to p(z1), a standard
    normal, so that samples of an active variable have about mean 0 and standard deviation 1.

    Args:
        num_features: Features of an instance, F.
        num_instances: Instances of the longest clip, T.
        summary: Kind of a `ClipSummary`.
        standardised: See `ClipSummary`.
        hidden: Widths of the hidden layers of M1's encoder.
        latent_dim: Number of latent variables of M1, Z.
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
        self.dim = latent_dim
        self.encoder = GaussianEncoder(
            num_features, num_instances, summary, standardised, hidden, latent_dim
        )
        self.kept = ActiveDimensions(latent_dim)

    def forward(self, x: Tensor, valid: Tensor | None = None) -> Tensor:
        """Return features of clips, (B, T, F) -> (B, Z); `valid`, (B, T), is False for padding."""
        means, _ = self.encoder(x, valid)  # (B, 1, Z)
        features: Tensor = self.kept(means.squeeze(1))
        return features


class KeptLikelihood(nn.Module):
    """A likelihood of the kept features; the dropped features must be 0 and add nothing.

    Args:
        likelihood: Distribution of all features, which must be finite for zeros.
        kept: The selection of features.
    """

    def __init__(self, likelihood: Likelihood, kept: ActiveDimensions) -> None:
        super().__init__()
        self.likelihood = likelihood
        self.kept = kept
        self.standardised = likelihood.standardised
        self.outputs_per_feature = likelihood.outputs_per_feature

    def negative_log(self, outputs: Tensor, x: Tensor) -> Tensor:
        """Return -log p(x) of the kept features, (..., Z), given outputs, (..., k Z): (...)."""
        of_zero = self.likelihood.negative_log(
            outputs.new_zeros(self.outputs_per_feature), x.new_zeros(1)
        )
        num_dropped = (~self.kept.mask).sum()
        return self.likelihood.negative_log(self.kept(outputs), x) - num_dropped * of_zero

    def mean(self, outputs: Tensor) -> Tensor:
        """Return the expected features, (..., Z), 0 where dropped."""
        expected: Tensor = self.kept(self.likelihood.mean(outputs))
        return expected

    def check(self, x: Tensor) -> None:
        """Refuse features that the likelihood does not fit; see `Likelihood`."""
        self.likelihood.check(x)
