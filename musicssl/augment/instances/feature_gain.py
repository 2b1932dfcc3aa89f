"""A random factor for each feature: a random equaliser."""

import torch
from torch import Tensor

from musicssl.augment.dsp.check import check_strength


class FeatureGain:
    """Multiply each feature by 1 + std * normal, the same number in all instances of a clip.

    In log-mel instances with floor_db=-80 this moves a band 40 dB above the floor by a normal
    number with deviation std * 40 dB; a silent band stays silent.

    Args:
        std: Standard deviation of the factor, which is a ratio. 0 changes nothing.

    Raises:
        InputError: If `std` is negative.
    """

    def __init__(self, std: float) -> None:
        self.std = check_strength("feature_gain.std", std)

    def scaled(self, strength: float) -> "FeatureGain":
        """Return it with `strength` times the deviation."""
        return FeatureGain(strength * self.std)

    def __call__(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Transform clips, (B, T, F), of which the first `lengths`, (B,), instances are valid."""
        factors = 1 + self.std * torch.randn_like(x[:, :1])  # (B, 1, F)
        return x * factors
