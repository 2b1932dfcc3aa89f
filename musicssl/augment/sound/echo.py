"""Sound as it was a while ago."""

import torch
from torch import Tensor
from torch.nn.functional import pad


def earlier(x: Tensor, delays: Tensor, longest: int) -> Tensor:
    """Return what sounded so many samples before.

    Args:
        x: Sound, (B, S).
        delays: In samples, 0 or more, (B, 1) or (B, S) int64.
        longest: No delay is longer.

    Returns:
        x(t - delay), (B, S); silence where that lies before the clip.
    """
    num_samples = x.shape[1]
    before = min(longest, num_samples)  # so much silence is put before the clip
    places = torch.arange(num_samples, device=x.device) + (before - delays.clamp_max(before))
    return pad(x, (before, 0)).gather(1, places)
