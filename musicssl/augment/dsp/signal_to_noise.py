"""How soft the noise is that is put under sound."""

import torch
from torch import Tensor

from musicssl.augment.dsp.check import check_range, check_strength
from musicssl.augment.dsp.silence import mean_power


class SignalToNoise:
    """A range of the ratio of a clip's power to that of noise, each ratio in dB being as likely.

    The level of a clip is that of its valid samples: padding does not make it softer. To a silent
    clip belongs silent noise.

    Args:
        transform: What the user calls the transform that adds the noise.
        min_snr_db: Least ratio, in dB.
        max_snr_db: Largest ratio, in dB.

    Raises:
        InputError: If the least ratio is negative or larger than the largest.
    """

    def __init__(self, transform: str, min_snr_db: float, max_snr_db: float) -> None:
        self.min_db = check_strength(f"{transform}.min_snr_db", min_snr_db)
        self.max_db = check_strength(f"{transform}.max_snr_db", max_snr_db)
        check_range(transform, min_snr_db=min_snr_db, max_snr_db=max_snr_db)

    def noise_level(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        """Draw how strong the noise of each clip is: its root mean square, (B, S) -> (B, 1)."""
        ratio = torch.empty_like(x[:, :1]).uniform_(self.min_db, self.max_db)
        return (mean_power(x, lengths) / 10 ** (ratio / 10)).sqrt().to(x.dtype)
