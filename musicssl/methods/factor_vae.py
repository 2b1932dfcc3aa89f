"""`factor_vae`: an autoencoder whose latent variables a discriminator makes independent."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from musicssl.batch import Batch
from musicssl.errors import InputError
from musicssl.losses.latent_regularisers import (
    discriminator_loss,
    permuted_dimensions,
    total_correlation,
)
from musicssl.methods.base.latent_vae import LatentVAE, Regularised, check_weights
from musicssl.methods.generative.sizes import check_widths

_BETAS = (0.8, 0.9)  # of the discriminator's Adam


class FactorVAE(LatentVAE):
    """Lower the total correlation of the latent variables, estimated by a discriminator.

        loss = -log p(x|z) / D + beta | KL(q(z|x) || p(z)) - C | + gamma mean (D_0(z) - D_1(z))

    Kim and Mnih 2018, "Disentangling by Factorising", https://arxiv.org/abs/1802.05983, equations 2
    and 3 and algorithm 2, in the form of the dMelodies benchmark (Pati, Gururani and Lerch 2020,
    https://arxiv.org/abs/2007.15067, section 4.2, and its code): beta 1 or 0.2, C 50, gamma 1, 10
    or 50, without a warm-up. The first half of a batch trains the autoencoder, and so the
    discriminator to know samples of q(z); the second half trains it to know samples whose
    dimensions were permuted.

    Both are trained by one Adam, with betas 0.8 and 0.9 for the discriminator, which for Adam is
    the same as two. Both are updated from the same weights; the authors' code computes z of the
    second half after the update of the autoencoder.

    Logged in addition to `LatentVAE`: `train/total_correlation` in nats, as the discriminator
    estimates it, and `train/discriminator`, its loss, ln 2 = 0.693 at chance.

    Args:
        beta: Weight of the distance from the capacity.
        capacity: Nats per clip that cost nothing, C.
        gamma: Weight of the total correlation.
        discriminator: Widths of the hidden layers of the discriminator, each with a leaky rectifier
            of slope 0.2.
        parts: See `LatentVAE`.

    Raises:
        InputError: If a number is negative.
    """

    def __init__(
        self,
        *,
        beta: float,
        capacity: float,
        gamma: float,
        discriminator: Sequence[int],
        **parts: Any,
    ) -> None:
        super().__init__(**parts)
        check_weights(beta=beta, capacity=capacity, gamma=gamma)
        check_widths(discriminator, "method.discriminator", fewest=1)
        self.beta = beta
        self.capacity = capacity
        self.gamma = gamma
        layers: list[nn.Module] = []
        for width_in, width_out in pairwise((self.encoder.embed_dim, *discriminator)):
            layers += [nn.Linear(width_in, width_out), nn.LeakyReLU(0.2)]
        self.discriminator = nn.Sequential(*layers, nn.Linear(discriminator[-1], 2))
        for layer in self.discriminator:
            if isinstance(layer, nn.Linear):
                nn.init.xavier_normal_(layer.weight)
        self._real = torch.empty(0)

    def setup(self, stage: str) -> None:
        """Check that a batch has two halves.

        Raises:
            InputError: If it has not.
        """
        super().setup(stage)
        if stage == "fit" and self.data.batch_size < 2:
            raise InputError("method=factor_vae halves batches; set data.batch_size to 2 or more.")

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of the autoencoder plus that of the discriminator.

        Neither has a gradient for the other's weights.
        """
        epoch = self.trainer.current_epoch + batch_idx / self.trainer.num_training_batches
        clips = torch.arange(len(batch.x), device=batch.x.device)
        first, second = (
            batch.select(clips[: len(clips) // 2]),
            batch.select(clips[len(clips) // 2 :]),
        )
        loss = self.autoencoder_loss(first, epoch)
        with torch.no_grad():
            q = self.encoder.posterior(self.encoder.inputs(second))
            permuted = permuted_dimensions(q.sample(torch.randn_like(q.mean)))
        of_both = discriminator_loss(self.discriminator(self._real), self.discriminator(permuted))
        self.record(discriminator=of_both)
        return loss + of_both

    def regularised(self, kl: Tensor, z: Tensor, batch: Batch, epoch: float) -> Regularised:
        """Return the weighted distance from the capacity, and the total correlation."""
        self._real = z.detach()
        fixed = {name: p.detach() for name, p in self.discriminator.named_parameters()}
        correlation = total_correlation(functional_call(self.discriminator, fixed, z))
        loss = self.beta * (kl - self.capacity).abs() + self.gamma * correlation
        return Regularised(loss, {"total_correlation": correlation})

    def _optimizer(self) -> torch.optim.Optimizer:
        """Build the optimizer, with a group of its own for the discriminator.

        Raises:
            InputError: If it has no betas.
        """
        optimizer = super()._optimizer()
        if "betas" not in optimizer.defaults:
            raise InputError(
                "method=factor_vae trains its discriminator with betas of its own; choose "
                "optimizer=adam or optimizer=adamw."
            )
        own = {id(parameter) for parameter in self.discriminator.parameters()}
        for group in optimizer.param_groups:
            group["params"] = [p for p in group["params"] if id(p) not in own]
        optimizer.add_param_group(
            {"params": list(self.discriminator.parameters()), "betas": _BETAS}
        )
        return optimizer
