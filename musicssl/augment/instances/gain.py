"""A change of level."""

import torch
from torch import Tensor

from musicssl.augment.dsp.check import check_strength


class Gain:
    """Add one number, uniform in [-max_shift, max_shift], to all features of a clip.

    For a logarithmic spectrum this is a change of level.

    Args:
        max_shift: Largest shift, in units of a feature; in a log-mel instance with floor_db=-80,
            0.1 is 8 dB. 0 changes nothing.

    Raises:
        InputError: If `max_shift` is negative.
    """

    def __init__(self, max_shift: float) -> None:
        self.max_shift = check_strength("gain.max_shift", max_shift)

    def scaled(self, strength: float) -> "Gain":
        """Return it with `strength` times the largest shift."""
        return Gain(strength * self.max_shift)

    def __call__(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Transform clips, (B, T, F), of which the first `lengths`, (B,), instances are valid."""
        shifts = torch.empty_like(x[:, :1, :1]).uniform_(-self.max_shift, self.max_shift)
        return x + shifts  # (B, T, F) + (B, 1, 1)
