"""The instances of a clip in another order."""

import torch
from torch import Tensor

from musicssl.batch import valid_instances


class Shuffle:
    """Permute the valid instances of each clip, all orders being equally likely.

    For encoders that treat a clip as a bag of instances. It destroys what `encoder=gru` and
    `encoder=fc` read, the order. Attention pooling over instances embedded one by one does not see
    it at all, unless dropout strikes the instances differently.
    """

    def __call__(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Transform clips, (B, T, F), of which the first `lengths`, (B,), instances are valid."""
        keys = torch.rand(x.shape[:2], device=x.device)  # (B, T)
        if lengths is not None:
            keys.masked_fill_(~valid_instances(lengths, x.shape[1]), 2.0)  # padding stays last
        return x.gather(1, keys.argsort(dim=1)[..., None].expand_as(x))
