"""A clip judged by some of its instances."""

import torch
from torch import Tensor

from musicssl.augment.dsp.check import check_fraction


class Resample:
    """Keep a random share of a clip's valid instances, and fill the other places with copies.

    For poolings that weigh instances, a bag with copies is the bag without them, so the clip is
    judged by the instances kept, while batches keep their shape. A class that sounds in one second
    alone may thus be lost while its label stays: that is what a weak label is like. As with
    `Shuffle`, the order of instances is lost.

    Args:
        share: Of the valid instances, kept in each clip, in (0, 1]; rounded, at least one. 1 only
            changes their order.

    Raises:
        InputError: If `share` lies outside [0, 1].
    """

    def __init__(self, share: float) -> None:
        self.share = check_fraction("resample.share", share)

    def __call__(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Transform clips, (B, T, F), of which the first `lengths`, (B,), instances are valid."""
        num_clips, num_instances, _ = x.shape
        places = torch.arange(num_instances, device=x.device).expand(num_clips, -1)  # (B, T)
        sizes = torch.full_like(places[:, :1], num_instances)  # (B, 1)
        if lengths is not None:
            sizes = lengths[:, None]
        keys = torch.rand(places.shape, device=x.device).masked_fill(places >= sizes, 2.0)
        order = keys.argsort(dim=1)  # a random order of the valid instances, padding last
        kept = (self.share * sizes).round().long().clamp_min(1)  # (B, 1)
        chosen = order.gather(1, places % kept)  # the first `kept` of them, again and again
        return x.gather(1, chosen[..., None].expand_as(x))
