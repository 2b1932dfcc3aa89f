"""Random stretches of neighbouring positions, one for each clip."""

import torch
from torch import Tensor

ROUNDING = 1e-4  # added before rounding down: 0.29 * 100 is 28.999... in floating point


def random_stretches(largest: Tensor, sizes: Tensor, num_positions: int) -> Tensor:
    """Draw one stretch for each clip inside its first `sizes` positions.

    The width is uniform in 0, 1, ... `largest`; then the place is uniform among those where the
    stretch fits.

    Args:
        largest: Largest width, (B,) int64, at most `sizes`.
        sizes: Positions to choose from, (B,) int64.
        num_positions: Positions of a clip, T.

    Returns:
        True inside the stretch, (B, T) bool.
    """
    uniform = torch.rand(2, len(sizes), device=sizes.device)  # in [0, 1)
    widths = (uniform[0] * (largest + 1)).long()  # (B,)
    starts = (uniform[1] * (sizes - widths + 1)).long()
    positions = torch.arange(num_positions, device=sizes.device) - starts[:, None]  # (B, T)
    return (positions >= 0).logical_and(positions < widths[:, None])
