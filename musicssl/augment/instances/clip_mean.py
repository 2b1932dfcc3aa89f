"""The mean of a clip, which transforms put where they hide something."""

from torch import Tensor

from musicssl.batch import valid_instances


def clip_mean(x: Tensor, lengths: Tensor | None) -> Tensor:
    """Average each feature over the valid instances, (B, T, F) -> (B, 1, F)."""
    if lengths is None:
        return x.mean(dim=1, keepdim=True)
    valid = valid_instances(lengths, x.shape[1])[..., None]  # (B, T, 1)
    return x.where(valid, 0).sum(dim=1, keepdim=True) / lengths[:, None, None]
