"""A random subset of a clip's instances."""

import torch
from torch import Tensor

from musicssl.augment.dsp.check import check_fraction


class Resample:
    """Keep a random subset of a clip's valid instances, and repeat it to keep the clip's length.

    Poolings that weigh instances give the same result for a bag with copies as for the bag without
    them, so the clip is classified from the subset while batches keep their shape. A class that is
    active in a single second may be lost while its label stays, which makes the label as weak as
    weak labels are. As with `Shuffle`, the order of instances is lost.

    Args:
        share: Fraction of the valid instances to keep, in (0, 1]; rounded, at least one. 1 only
            changes their order.

    Raises:
        InputError: If `share` lies outside [0, 1].
    """

    def __init__(self, share: float) -> None:
        self.share = check_fraction("resample.share", share)

    def scaled(self, strength: float) -> "Resample":
        """Return it with `strength` times the share that is dropped, 1 at most."""
        return Resample(max(0.0, 1 - strength * (1 - self.share)))

    def __call__(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Transform clips, (B, T, F), of which the first `lengths`, (B,), instances are valid."""
        num_clips, num_instances, _ = x.shape
        positions = torch.arange(num_instances, device=x.device).expand(num_clips, -1)  # (B, T)
        sizes = torch.full_like(positions[:, :1], num_instances)  # (B, 1)
        if lengths is not None:
            sizes = lengths[:, None]
        keys = torch.rand(positions.shape, device=x.device).masked_fill(positions >= sizes, 2.0)
        order = keys.argsort(dim=1)  # a random order of the valid instances, padding last
        num_kept = (self.share * sizes).round().long().clamp_min(1)  # (B, 1)
        chosen = order.gather(1, positions % num_kept)  # the first `num_kept` of them, repeated
        return x.gather(1, chosen[..., None].expand_as(x))
