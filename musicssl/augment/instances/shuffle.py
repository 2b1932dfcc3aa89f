"""A random order of a clip's instances."""

import torch
from torch import Tensor

from musicssl.batch import valid_instances


class Shuffle:
    """Permute the valid instances of each clip, with equal probability for every order.

    For encoders that treat a clip as a bag of instances. It destroys the order, which `encoder=gru`
    and `encoder=fc` need. It has no effect on attention pooling over instances that are embedded
    one by one, except that dropout masks are drawn in another order.
    """

    def scaled(self, strength: float) -> "Shuffle":
        """Return the same transform: an order has no strength."""
        return self

    def __call__(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Transform clips, (B, T, F), of which the first `lengths`, (B,), instances are valid."""
        keys = torch.rand(x.shape[:2], device=x.device)  # (B, T)
        if lengths is not None:
            keys.masked_fill_(~valid_instances(lengths, x.shape[1]), 2.0)  # padding stays last
        return x.gather(1, keys.argsort(dim=1)[..., None].expand_as(x))
