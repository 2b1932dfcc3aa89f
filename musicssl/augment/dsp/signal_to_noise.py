"""A random signal-to-noise ratio."""

import torch
from torch import Tensor

from musicssl.augment.dsp.check import check_range, check_strength
from musicssl.augment.dsp.padding import mean_power


class SignalToNoise:
    """A ratio of a clip's power to the power of noise, drawn uniformly in dB from a range.

    The power of a clip is that of its valid samples: padding does not lower it. The noise for a
    silent clip is silent.

    Args:
        transform: Name of the transform that adds the noise, for the user.
        min_snr_db: Lowest ratio, in dB.
        max_snr_db: Highest ratio, in dB.

    Raises:
        InputError: If the lowest ratio is negative or larger than the highest.
    """

    def __init__(self, transform: str, min_snr_db: float, max_snr_db: float) -> None:
        self.min_db = check_strength(f"{transform}.min_snr_db", min_snr_db)
        self.max_db = check_strength(f"{transform}.max_snr_db", max_snr_db)
        check_range(transform, min_snr_db=min_snr_db, max_snr_db=max_snr_db)

    def noise_level(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        """Draw the level of each clip's noise, its root mean square, (B, S) -> (B, 1)."""
        ratio = torch.empty_like(x[:, :1]).uniform_(self.min_db, self.max_db)
        return (mean_power(x, lengths) / 10 ** (ratio / 10)).sqrt().to(x.dtype)
