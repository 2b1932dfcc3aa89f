"""Inverted polarity."""

import torch
from torch import Tensor

from musicssl.augment.dsp.check import check_fraction


class Polarity:
    """Invert the sign of a clip's samples, which is inaudible.

    Args:
        probability: Probability of inverting a clip.

    Raises:
        InputError: If `probability` is not in [0, 1].
    """

    of_sound = True

    def __init__(self, probability: float) -> None:
        self.probability = check_fraction("polarity.probability", probability)

    def __call__(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Transform clips of sound, (B, S)."""
        inverted = torch.rand_like(x[:, :1]) < self.probability
        return torch.where(inverted, -x, x)
