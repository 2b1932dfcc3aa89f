"""A change of level of sound."""

import torch
from torch import Tensor

from musicssl.augment.dsp.check import check_range, check_strength


class Level:
    """Multiply a clip by one gain, uniform in decibels between two ends.

    Args:
        max_db: Largest change, in dB; 0 changes nothing. Samples may leave [-1, 1].
        min_db: Least change, in dB, such as -15 to make a clip softer; None: -`max_db`.

    Raises:
        InputError: If `max_db` alone is given and negative, or `min_db` is larger.
    """

    of_sound = True

    def __init__(self, max_db: float, min_db: float | None = None) -> None:
        if min_db is None:
            min_db = -check_strength("level.max_db", max_db)
        check_range("level", min_db=min_db, max_db=max_db)
        self.min_db, self.max_db = min_db, max_db

    def __call__(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Transform clips of sound, (B, S)."""
        decibels = torch.empty_like(x[:, :1]).uniform_(self.min_db, self.max_db)
        return x * 10 ** (decibels / 20)  # (B, S) * (B, 1)
