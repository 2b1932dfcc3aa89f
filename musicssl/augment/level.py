"""A change of level of sound."""

import torch
from torch import Tensor

from musicssl.augment.check import check_strength


class Level:
    """Multiply a clip by one gain, uniform in decibels in [-max_db, max_db].

    Args:
        max_db: Largest change, in dB; 0 changes nothing. Samples may leave [-1, 1].

    Raises:
        InputError: If `max_db` is negative.
    """

    of_sound = True

    def __init__(self, max_db: float) -> None:
        self.max_db = check_strength("level.max_db", max_db)

    def __call__(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Transform clips of sound, (B, S)."""
        decibels = torch.empty_like(x[:, :1]).uniform_(-self.max_db, self.max_db)
        return x * 10 ** (decibels / 20)  # (B, S) * (B, 1)
