"""A mask of a stretch of time."""

import torch
from torch import Tensor

from musicssl.augment.dsp.check import check_fraction
from musicssl.augment.instances.masks import ROUNDING, clip_mean, random_stretches


class TimeMask:
    """Replace neighbouring instances of a clip by the mean of its valid instances.

    The time mask of SpecAugment, Park et al. 2019, https://arxiv.org/abs/1904.08779, on instances
    instead of frames. The authors use the mean of the spectrogram, one number; we use the mean of
    each feature, so that hidden instances look like an average instance of the clip. The width is
    uniform from 0 to `max_fraction` of the valid instances, rounded down: in a clip of three
    instances, 0.3 hides none. At least one instance is never hidden.

    Args:
        max_fraction: Largest fraction of a clip's valid instances that is hidden, in [0, 1]. 0
            changes nothing.

    Raises:
        InputError: If `max_fraction` lies outside [0, 1].
    """

    def __init__(self, max_fraction: float) -> None:
        self.max_fraction = check_fraction("time_mask.max_fraction", max_fraction)

    def scaled(self, strength: float) -> "TimeMask":
        """Return it with `strength` times the largest fraction, 1 at most."""
        return TimeMask(min(1.0, strength * self.max_fraction))

    def __call__(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Transform clips, (B, T, F), of which the first `lengths`, (B,), instances are valid."""
        num_clips, num_instances, _ = x.shape
        sizes = lengths
        if sizes is None:
            sizes = torch.full((num_clips,), num_instances, device=x.device)
        share = (self.max_fraction * sizes + ROUNDING).long()
        largest = share.minimum(sizes - 1)  # (B,)
        hidden = random_stretches(largest, sizes, num_instances)  # (B, T)
        return torch.where(hidden[..., None], clip_mean(x, lengths), x)
