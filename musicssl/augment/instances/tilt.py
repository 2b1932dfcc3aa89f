"""A tilt of the spectrum."""

import torch
from torch import Tensor

from musicssl.augment.dsp.check import check_strength


class Tilt:
    """Add a straight line over the features of a clip, from -t to t.

    t is uniform in [-max_tilt, max_tilt]; a positive t makes a logarithmic spectrum brighter, a
    negative t darker. The mean over the bands does not change.

    Args:
        max_tilt: Largest change of the first and the last feature, in units of a feature; in a
            log-mel instance with floor_db=-80, 0.1 is 8 dB. 0 changes nothing.

    Raises:
        InputError: If `max_tilt` is negative.
    """

    def __init__(self, max_tilt: float) -> None:
        self.max_tilt = check_strength("tilt.max_tilt", max_tilt)

    def scaled(self, strength: float) -> "Tilt":
        """Return it with `strength` times the largest tilt."""
        return Tilt(strength * self.max_tilt)

    def __call__(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Transform clips, (B, T, F), of which the first `lengths`, (B,), instances are valid."""
        line = torch.linspace(-1, 1, x.shape[2], device=x.device, dtype=x.dtype)
        tilts = torch.empty_like(x[:, :1, :1]).uniform_(-self.max_tilt, self.max_tilt)
        return x + tilts * line  # (B, T, F) + (B, 1, F)
