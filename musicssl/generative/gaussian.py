"""Gaussians with a diagonal covariance, one for each row of a tensor."""

from typing import NamedTuple

import torch
from torch import Tensor


class Gaussian(NamedTuple):
    """What an encoder says of a latent variable.

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
    """Take the outputs of a layer, (..., 2 Z), for means and logarithms of variances.

    They are float32, whatever the precision of the layer: what follows sums many squares.
    """
    mean, log_variance = outputs.float().chunk(2, dim=-1)
    return Gaussian(mean, log_variance)
