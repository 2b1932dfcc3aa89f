"""Soft clipping, as of an overdriven amplifier."""

import torch
from torch import Tensor

from musicssl.augment.dsp.check import check_range
from musicssl.augment.dsp.computation import working_dtype


class Distortion:
    """Clip the peaks of each clip softly, with a random gain, uniform in decibels.

        y = tanh(g x) / g

    The published SemiSupCon uses pedalboard's distortion, tanh(g x), which makes soft sound louder
    by g. Here soft sound keeps its level, and a lower gain is less distortion, down to none;
    `Level` changes levels.

    Args:
        min_gain_db: Lowest gain, in dB; 20 dB below the inverse of a clip's peak it is inaudible.
        max_gain_db: Highest gain, in dB.

    Raises:
        InputError: If the gains are in the wrong order.
    """

    of_sound = True

    def __init__(self, min_gain_db: float, max_gain_db: float) -> None:
        check_range("distortion", min_gain_db=min_gain_db, max_gain_db=max_gain_db)
        self.min_gain_db, self.max_gain_db = min_gain_db, max_gain_db

    def __call__(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Transform clips of sound, (B, S)."""
        decibels = torch.empty_like(x[:, :1], dtype=working_dtype(x))
        gains = 10 ** (decibels.uniform_(self.min_gain_db, self.max_gain_db) / 20)  # (B, 1)
        return (torch.tanh(gains * x) / gains).to(x.dtype)
