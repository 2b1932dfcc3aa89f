"""A mask of bands of features."""

import torch
from torch import Tensor

from musicssl.augment.dsp.check import check_fraction
from musicssl.augment.instances.masks import ROUNDING, clip_mean, random_stretches
from musicssl.errors import InputError


class FeatureMask:
    """Replace bands of neighbouring features of a clip, the same bands in all its instances.

    The frequency mask of SpecAugment, Park et al. 2019, https://arxiv.org/abs/1904.08779. The bands
    are replaced by one number, the mean over all features of all valid instances of the clip. The
    mean of each feature would hide little, because it already tells the average level of the band.

    Args:
        max_fraction: Largest fraction of the features that is hidden, by all bands together, in
            [0, 1]. 0 changes nothing; at least one feature is never hidden.
        num_masks: Number of bands, which may overlap. The width of each is uniform from 0 to
            `max_fraction` / `num_masks` of the features, rounded down.

    Raises:
        InputError: If `max_fraction` lies outside [0, 1] or `num_masks` is less than 1.
    """

    def __init__(self, max_fraction: float, num_masks: int = 1) -> None:
        self.max_fraction = check_fraction("feature_mask.max_fraction", max_fraction)
        if num_masks < 1:
            raise InputError(
                f"feature_mask.num_masks must be 1 or more, got {num_masks}; to hide nothing, set "
                "feature_mask.max_fraction=0."
            )
        self.num_masks = num_masks

    def scaled(self, strength: float) -> "FeatureMask":
        """Return it with `strength` times the largest fraction, 1 at most."""
        return FeatureMask(min(1.0, strength * self.max_fraction), self.num_masks)

    def __call__(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Transform clips, (B, T, F), of which the first `lengths`, (B,), instances are valid."""
        num_clips, _, num_features = x.shape
        share = int(self.max_fraction * num_features + ROUNDING)
        sizes = torch.full((num_clips * self.num_masks,), num_features, device=x.device)
        largest = torch.full_like(sizes, min(share, num_features - 1) // self.num_masks)
        bands = random_stretches(largest, sizes, num_features)
        hidden = bands.view(num_clips, self.num_masks, num_features).any(dim=1, keepdim=True)
        mean = clip_mean(x, lengths).mean(dim=2, keepdim=True)  # (B, 1, 1)
        return torch.where(hidden, mean, x)
