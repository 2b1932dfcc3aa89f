"""Features turned to their principal axes, where what linear probes minimise is almost diagonal."""

import torch
from torch import Tensor


def principal_axes(z: Tensor) -> tuple[Tensor, Tensor]:
    """Return features along orthonormal axes on which they are uncorrelated, and these axes.

    Of fewer clips than features there are no more axes than clips: a penalised fit has its weights
    in the span of the clips, and the rest of the axes would only cost time.

    Args:
        z: Features around 0, (N, D).

    Returns:
        `z @ axes`, (N, K), and axes, (D, K), where K is the lesser of N and D.
    """
    if len(z) < z.shape[1]:
        clips, lengths, axes = torch.linalg.svd(z, full_matrices=False)
        return clips * lengths, axes.mT
    _, axes = torch.linalg.eigh(z.T @ z)
    return z @ axes, axes
