"""`beta_vae`: an autoencoder with a weight on the KL divergence of its latent variables."""

from typing import Any

import torch
from torch import Tensor

from musicssl.batch import Batch
from musicssl.methods.base.latent_vae import LatentVAE, Regularised, check_weights
from musicssl.methods.generative.warmup import Warmup


class BetaVAE(LatentVAE):
    """Multiply the KL divergence, above a number of free nats, by beta.

        loss = -log p(x|z) / D + max(beta_t KL(q(z|x) || p(z)) - free_nats, 0)

    Higgins et al. 2017, https://openreview.net/forum?id=Sy2fzU9gl, equation 4, in the form of the
    dMelodies benchmark (Pati, Gururani and Lerch 2020, https://arxiv.org/abs/2007.15067, section
    4.2, and its code), with beta 0.2, 1 or 4 and 50 free nats. beta_t rises during training; see
    `musicssl.methods.generative.warmup.Warmup`. `free_nats=0`, `beta=1` and no warm-up is a plain
    variational autoencoder, but for the division by D.

    The reconstruction error is the mean over tokens, as there, and the KL divergence the sum over
    dimensions, so that beta = 1 weighs the latter T times as much as the bound does.

    Logged in addition to `LatentVAE`: `train/weight`, beta_t.

    Args:
        beta: Weight of the KL divergence at the end of the ramp.
        free_nats: Weighted nats per clip that cost nothing.
        warmup: When beta_t rises.
        parts: See `LatentVAE`.

    Raises:
        InputError: If a number is negative.
    """

    def __init__(self, *, beta: float, free_nats: float, warmup: Warmup, **parts: Any) -> None:
        super().__init__(**parts)
        check_weights(beta=beta, free_nats=free_nats)
        self.beta = beta
        self.free_nats = free_nats
        self.warmup = warmup

    def regularised(self, kl: Tensor, z: Tensor, batch: Batch, epoch: float) -> Regularised:
        """Return the weighted KL divergence without the free nats."""
        beta = self.warmup.value(epoch, self.trainer.num_training_batches, self.beta)
        return Regularised((beta * kl - self.free_nats).relu(), {"weight": torch.tensor(beta)})
