"""An M2 whose y is the vector of all labels of a clip."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from musicssl.losses.latents import bernoulli_kl, gaussian_kl, relaxed_bernoulli
from musicssl.losses.likelihoods import Likelihood
from musicssl.methods.generative.vae import Gaussian, gaussian_of, mlp


class JointM2(nn.Module):
    """p(y) p(z) p(x|y, z) and q(z|x, y), where y is in {0, 1}^C, or in [0, 1]^C if it is relaxed.

    z is standard normal; p(y) is a fixed product of Bernoulli distributions. q(y|x) is not part of
    this module. The decoder's hidden layers are the encoder's in reverse order. q(z|x, y) starts as
    N(., 1), as in `musicssl.methods.generative.m2`.

    Args:
        num_classes: Number of classes, C.
        num_inputs: Features of a clip, D.
        hidden: Widths of the encoder's hidden layers.
        latent_dim: Number of latent variables, Z.
        likelihood: Distribution of the features.
    """

    prior_logits: Tensor

    def __init__(
        self,
        num_classes: int,
        num_inputs: int,
        hidden: Sequence[int],
        latent_dim: int,
        likelihood: Likelihood,
    ) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.likelihood = likelihood
        outputs = likelihood.outputs_per_feature * num_inputs
        self.encoder_z = mlp((num_inputs + num_classes, *hidden), 2 * latent_dim)
        self.decoder = mlp((latent_dim + num_classes, *reversed(hidden)), outputs)
        last = self.encoder_z[-1]
        assert isinstance(last, nn.Linear)
        with torch.no_grad():
            last.weight[latent_dim:] = 0
            last.bias[latent_dim:] = 0
        self.register_buffer("prior_logits", torch.zeros(num_classes))

    def posterior(self, x: Tensor, y: Tensor) -> Gaussian:
        """Return q(z|x, y) of features, (B, D), and labels, (B, C)."""
        return gaussian_of(self.encoder_z(torch.cat([x, y], dim=-1)))

    def decode(self, z: Tensor, y: Tensor) -> Tensor:
        """Return the expected features, (B, D), of latent variables, (B, Z), and labels, (B, C)."""
        return self.likelihood.mean(self._outputs(z, y))

    def bound(self, x: Tensor, y: Tensor, noise: Tensor | None = None) -> Tensor:
        """Bound -log p(x|y) from above with one sample of z, in nats, (B,).

        Args:
            x: Features, (B, D).
            y: Labels, (B, C).
            noise: Standard normal, (B, Z); None to draw it.
        """
        q = self.posterior(x, y)
        outputs = self._outputs(q.sample(noise), y)
        return self.likelihood.negative_log(outputs, x) + gaussian_kl(*q)

    def partly_labelled_bound(
        self,
        x: Tensor,
        present: Tensor,
        mask: Tensor,
        logits: Tensor,
        temperature: float,
        noise: Tensor | None = None,
        uniform: Tensor | None = None,
    ) -> Tensor:
        """Bound -log p(x, observed labels), with one sample of z and of the other labels, (B,).

        An observed label adds -log p(y), the others add KL(q(y|x) || p(y)), which is exact, while
        the reconstruction of x uses relaxed samples of them, as is common. The bound holds in the
        limit of temperature 0.

        Args:
            x: Features, (B, D).
            present: Whether a class is present, (B, C) bool; arbitrary where not observed.
            mask: True where observed, (B, C).
            logits: Logits of q(y|x), (B, C).
            temperature: Temperature of the samples; see `relaxed_bernoulli`.
            noise: Standard normal, (B, Z); None to draw it.
            uniform: Uniform in [0, 1), (B, C), for the samples; None to draw it.
        """
        logits = logits.float()  # sums of nats need it, whatever the precision of the network
        observed = present.to(logits.dtype)
        y = torch.where(mask, observed, relaxed_bernoulli(logits, temperature, uniform))
        prior = self.prior_logits.expand_as(logits)
        of_observed = binary_cross_entropy_with_logits(prior, observed, reduction="none")
        costs = torch.where(mask, of_observed, bernoulli_kl(logits, prior))  # (B, C)
        return self.bound(x, y, noise) + costs.sum(dim=1)

    def _outputs(self, z: Tensor, y: Tensor) -> Tensor:
        outputs: Tensor = self.decoder(torch.cat([z, y], dim=-1))
        return outputs
