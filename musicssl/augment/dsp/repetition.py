"""Sound that begins again when it is over."""

import torch
from torch import Tensor


def repeated(x: Tensor, lengths: Tensor, num_samples: int) -> Tensor:
    """Play each clip again and again, from its beginning.

    Args:
        x: Sound, (B, S).
        lengths: Samples of each clip that are played, 1 or more, (B, 1) int64.
        num_samples: Length of the result, N.

    Returns:
        (B, N).
    """
    return x.gather(1, torch.arange(num_samples, device=x.device) % lengths)


def clip_lengths(x: Tensor, lengths: Tensor | None) -> Tensor:
    """Return how many samples of each clip are valid, (B, 1): all S of them if `lengths` is None.

    A clip without any counts as one sample.
    """
    if lengths is None:
        return torch.full_like(x[:, :1], x.shape[1], dtype=torch.int64)
    return lengths[:, None].clamp_min(1)
