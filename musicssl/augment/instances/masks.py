"""Helpers of masking transforms: random stretches to hide, and the mean that replaces them."""

import torch
from torch import Tensor

from musicssl.batch import valid_instances

ROUNDING = 1e-4  # added before rounding down: 0.29 * 100 is 28.999... in floating point


def clip_mean(x: Tensor, lengths: Tensor | None) -> Tensor:
    """Average each feature over the valid instances, (B, T, F) -> (B, 1, F)."""
    if lengths is None:
        return x.mean(dim=1, keepdim=True)
    valid = valid_instances(lengths, x.shape[1])[..., None]  # (B, T, 1)
    return x.where(valid, 0).sum(dim=1, keepdim=True) / lengths[:, None, None]


def random_stretches(largest: Tensor, sizes: Tensor, num_positions: int) -> Tensor:
    """Draw one stretch of neighbouring positions for each clip, inside its first `sizes` positions.

    The width is uniform in 0, 1, ... `largest`; then the start is uniform among those at which the
    stretch fits.

    Args:
        largest: Largest width, (B,) int64, at most `sizes`.
        sizes: Number of positions to choose from, (B,) int64.
        num_positions: Number of positions of a clip, T.

    Returns:
        True inside the stretch, (B, T) bool.
    """
    uniform = torch.rand(2, len(sizes), device=sizes.device)  # in [0, 1)
    widths = (uniform[0] * (largest + 1)).long()  # (B,)
    starts = (uniform[1] * (sizes - widths + 1)).long()
    positions = torch.arange(num_positions, device=sizes.device) - starts[:, None]  # (B, T)
    return (positions >= 0).logical_and(positions < widths[:, None])
