"""`annealed_vae`: an autoencoder whose latent variables may hold a rising amount of information."""

from typing import Any

import torch
from torch import Tensor

from musicssl.batch import Batch
from musicssl.methods.base.latent_vae import LatentVAE, Regularised, check_weights
from musicssl.methods.generative.warmup import Warmup


class AnnealedVAE(LatentVAE):
    """Keep the KL divergence near a capacity that rises during training.

        loss = -log p(x|z) / D + beta | KL(q(z|x) || p(z)) - C_t |

    Burgess et al. 2018, https://arxiv.org/abs/1804.03599, equation 8, with the schedule of the
    dMelodies benchmark (Pati, Gururani and Lerch 2020, https://arxiv.org/abs/2007.15067, section
    4.2, and its code): beta 1 and a capacity of 25, 50 or 75 nats. In the epochs of the warm-up
    there is no regulariser; then C_t rises from 0. See `musicssl.methods.generative.warmup.Warmup`.

    Logged in addition to `LatentVAE`: `train/capacity`, C_t.

    Args:
        beta: Weight of the distance from the capacity.
        capacity: Nats per clip at the end of the ramp, C.
        warmup: When C_t rises.
        parts: See `LatentVAE`.

    Raises:
        InputError: If a number is negative.
    """

    def __init__(self, *, beta: float, capacity: float, warmup: Warmup, **parts: Any) -> None:
        super().__init__(**parts)
        check_weights(beta=beta, capacity=capacity)
        self.beta = beta
        self.capacity = capacity
        self.warmup = warmup

    def regularised(self, kl: Tensor, z: Tensor, batch: Batch, epoch: float) -> Regularised:
        """Return the weighted distance of the KL divergence from the capacity of this step."""
        capacity = self.warmup.value(epoch, self.trainer.num_training_batches, self.capacity)
        beta = self.beta if self.warmup.is_over(epoch) else 0.0
        return Regularised(beta * (kl - capacity).abs(), {"capacity": torch.tensor(capacity)})
