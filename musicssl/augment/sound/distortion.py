"""Sound through an amplifier that is driven too hard."""

import torch
from torch import Tensor

from musicssl.augment.dsp.check import check_range
from musicssl.augment.dsp.precision import working_dtype


class Distortion:
    """Round the peaks of each clip, by a gain of its own, uniform in decibels between two ends.

        y = tanh(g x) / g

    The published SemiSupCon takes pedalboard's distortion, which is tanh(g x): that makes soft
    sound louder by g. Here it stays as loud as it is, and less gain is less distortion, down to
    none; `Level` changes levels.

    Args:
        min_gain_db: Least gain, in dB; of 20 dB below the inverse of a peak nothing is heard.
        max_gain_db: Largest gain, in dB.

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
