"""A change of level."""

import torch
from torch import Tensor

from musicssl.augment.dsp.check import check_range, check_strength


class Level:
    """Multiply a clip by a random gain, uniform in decibels.

    Args:
        max_db: Highest gain, in dB; 0 changes nothing. Samples may leave [-1, 1].
        min_db: Lowest gain, in dB, such as -15; None means -`max_db`.

    Raises:
        InputError: If `max_db` is negative and `min_db` is None, or `min_db` is larger.
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
