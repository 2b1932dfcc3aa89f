"""Gaussian noise on every feature."""

import torch
from torch import Tensor

from musicssl.augment.dsp.check import check_strength


class Noise:
    """Add an independent normal number to each feature of each instance.

    Args:
        std: Standard deviation, in units of a feature; in a log-mel instance with floor_db=-80,
            0.1 is 8 dB. 0 changes nothing.

    Raises:
        InputError: If `std` is negative.
    """

    def __init__(self, std: float) -> None:
        self.std = check_strength("noise.std", std)

    def scaled(self, strength: float) -> "Noise":
        """Return it with `strength` times the deviation."""
        return Noise(strength * self.std)

    def __call__(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Transform clips, (B, T, F), of which the first `lengths`, (B,), instances are valid."""
        return torch.add(x, torch.randn_like(x), alpha=self.std)
