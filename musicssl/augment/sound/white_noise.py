"""Additive white noise."""

import torch
from torch import Tensor

from musicssl.augment.dsp.signal_to_noise import SignalToNoise


class WhiteNoise:
    """Add white noise to each clip at a random signal-to-noise ratio.

    The power of a clip is that of its valid samples: padding does not lower it. A silent clip stays
    silent.

    Args:
        min_snr_db: Lowest ratio of the clip's power to the noise's, in dB.
        max_snr_db: Highest ratio, in dB; drawn uniformly in dB.

    Raises:
        InputError: If the lowest ratio is negative or larger than the highest.
    """

    of_sound = True

    def __init__(self, min_snr_db: float, max_snr_db: float) -> None:
        self.ratio = SignalToNoise("white_noise", min_snr_db, max_snr_db)

    def __call__(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Transform clips of sound, (B, S), of which the first `lengths`, (B,), are valid."""
        level = self.ratio.noise_level(x, lengths)  # (B, 1)
        return x + torch.randn_like(x) * level
