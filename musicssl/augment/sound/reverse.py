"""Reversed time."""

import torch
from torch import Tensor

from musicssl.augment.dsp.check import check_fraction
from musicssl.augment.dsp.padding import clip_lengths


class Reverse:
    """Play a clip backwards, from its last valid sample to its first.

    Args:
        probability: Probability of reversing a clip. 0 changes nothing.

    Raises:
        InputError: If `probability` is not in [0, 1].
    """

    of_sound = True

    def __init__(self, probability: float) -> None:
        self.probability = check_fraction("reverse.probability", probability)

    def __call__(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Transform clips of sound, (B, S), of which the first `lengths`, (B,), are valid."""
        reversed_ = torch.rand_like(x[:, :1]) < self.probability
        positions = torch.arange(x.shape[1], device=x.device)
        backwards = clip_lengths(x, lengths) - 1 - positions  # (B, S)
        return x.gather(1, torch.where(reversed_ & (backwards >= 0), backwards, positions))
