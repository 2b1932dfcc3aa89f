"""The generative part of M2: M independent models, one for each label."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from musicssl.losses.latents import gaussian_kl
from musicssl.losses.likelihoods import Likelihood
from musicssl.methods.generative.labelwise import ConditionedMLP
from musicssl.methods.generative.vae import Gaussian, gaussian_of


class M2(nn.Module):
    """p(y) p(z) p(x|y, z) and q(z|x, y), for M models of K values of y each.

    Kingma et al. 2014, https://arxiv.org/abs/1406.5298, section 3.1. q(y|x) is not part of this
    module. z is standard normal, p(y) is fixed. The decoder's hidden layers are the encoder's in
    reverse order. q(z|x, y) starts as N(., 1): the logarithms of its variances start at 0, as in
    the authors' code.

    Every parameter has M as its first dimension; the models share no parameters.

    Args:
        num_models: Number of models, M.
        num_values: Number of values of y, K.
        num_inputs: Features of a clip, D.
        hidden: Widths of the encoder's hidden layers.
        latent_dim: Number of latent variables, Z.
        likelihood: Distribution of the features.
    """

    log_prior: Tensor

    def __init__(
        self,
        num_models: int,
        num_values: int,
        num_inputs: int,
        hidden: Sequence[int],
        latent_dim: int,
        likelihood: Likelihood,
    ) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.likelihood = likelihood
        outputs = likelihood.outputs_per_feature * num_inputs
        sizes = num_models, num_values
        self.encoder_z = ConditionedMLP(*sizes, (num_inputs, *hidden), 2 * latent_dim)
        self.decoder = ConditionedMLP(*sizes, (latent_dim, *reversed(hidden)), outputs)
        with torch.no_grad():
            self.encoder_z.last.weight[..., latent_dim:] = 0
            self.encoder_z.last.bias[..., latent_dim:] = 0
        self.register_buffer("log_prior", torch.full(sizes, -math.log(num_values)))  # (M, K)

    def posterior(self, x: Tensor, y: Tensor) -> Gaussian:
        """Return q(z|x, y) of features, (M, B, D), and values, (M, B) int64."""
        return gaussian_of(self.encoder_z.given(x, y))

    def posteriors(self, x: Tensor) -> Gaussian:
        """Return q(z|x, y) of features, (M, B, D), with every value, (M, K, B, Z)."""
        return gaussian_of(self.encoder_z.each(x))

    def decode(self, z: Tensor, y: Tensor) -> Tensor:
        """Return the expected features, (M, B, D), of latent variables, (M, B, Z), and values."""
        return self.likelihood.mean(self.decoder.given(z, y))

    def decode_each(self, z: Tensor) -> Tensor:
        """Return the expected features, (M, K, B, D), of latent variables, (M, B, Z)."""
        return self.likelihood.mean(self.decoder.each(z))

    def bound(self, x: Tensor, y: Tensor, noise: Tensor | None = None) -> Tensor:
        """Return L(x, y) in nats, equation 6 negated, with one sample of z: (M, B).

        Args:
            x: Features, (M, B, D).
            y: Values, (M, B) int64.
            noise: Standard normal, (M, B, Z); None to draw it.
        """
        q = self.posterior(x, y)
        outputs = self.decoder.given(q.sample(noise), y)
        models = torch.arange(len(x), device=x.device)[:, None]
        log_prior = self.log_prior[models, y]
        return self.likelihood.negative_log(outputs, x) + gaussian_kl(*q) - log_prior

    def bounds(self, x: Tensor, noise: Tensor | None = None) -> Tensor:
        """Return L(x, y) for every value of y, (M, B, K).

        Args:
            x: Features, (M, B, D).
            noise: Standard normal, (M, K, B, Z); None to draw it.
        """
        q = self.posteriors(x)
        outputs = self.decoder.each(q.sample(noise))
        reconstruction = self.likelihood.negative_log(outputs, x[:, None])  # (M, K, B)
        of_values = reconstruction + gaussian_kl(*q) - self.log_prior[..., None]
        return of_values.mT
