"""White noise under sound."""

import torch
from torch import Tensor

from musicssl.augment.check import check_strength
from musicssl.batch import valid_instances
from musicssl.errors import InputError


class WhiteNoise:
    """Add white noise to each clip, so much softer than it as is drawn for it.

    The level of a clip is that of its valid samples: padding does not make it softer. A silent clip
    stays silent.

    Args:
        min_snr_db: Least ratio of the clip's power to the noise's, in dB.
        max_snr_db: Largest ratio, in dB; each ratio between is as likely.

    Raises:
        InputError: If the least ratio is negative or larger than the largest.
    """

    of_sound = True

    def __init__(self, min_snr_db: float, max_snr_db: float) -> None:
        self.min_snr_db = check_strength("white_noise.min_snr_db", min_snr_db)
        self.max_snr_db = check_strength("white_noise.max_snr_db", max_snr_db)
        if min_snr_db > max_snr_db:
            raise InputError(
                f"white_noise.min_snr_db={min_snr_db:g} is larger than white_noise.max_snr_db="
                f"{max_snr_db:g}; exchange them."
            )

    def __call__(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Transform clips of sound, (B, S), of which the first `lengths`, (B,), are valid."""
        if lengths is None:
            power = x.square().mean(dim=1, keepdim=True)  # (B, 1)
        else:
            valid = valid_instances(lengths, x.shape[1])
            power = (x.square() * valid).sum(dim=1, keepdim=True) / lengths[:, None]
        ratio = torch.empty_like(x[:, :1]).uniform_(self.min_snr_db, self.max_snr_db)
        return x + torch.randn_like(x) * (power / 10 ** (ratio / 10)).sqrt()
