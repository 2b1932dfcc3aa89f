"""The valid samples of clips of sound: without padding, or repeated in place of it."""

import torch
from torch import Tensor

from musicssl.augment.dsp.computation import working_dtype
from musicssl.batch import valid_instances


def silence_padding(x: Tensor, lengths: Tensor | None) -> Tensor:
    """Return sound, (B, S), with zeros after the first `lengths`, (B,), samples of each clip."""
    if lengths is None:
        return x
    return x.where(valid_instances(lengths, x.shape[1]), 0)


def mean_power(x: Tensor, lengths: Tensor | None) -> Tensor:
    """Average the squares of the valid samples, (B, S) -> (B, 1), in at least single precision."""
    power = silence_padding(x, lengths).to(working_dtype(x)).square()
    if lengths is None:
        return power.mean(dim=1, keepdim=True)
    return power.sum(dim=1, keepdim=True) / lengths[:, None]


def repeated(x: Tensor, lengths: Tensor, num_samples: int) -> Tensor:
    """Repeat each clip from its beginning until the result is full.

    Args:
        x: Sound, (B, S).
        lengths: Number of samples of each clip that are repeated, 1 or more, (B, 1) int64.
        num_samples: Length of the result, N.

    Returns:
        (B, N).
    """
    return x.gather(1, torch.arange(num_samples, device=x.device) % lengths)


def clip_lengths(x: Tensor, lengths: Tensor | None) -> Tensor:
    """Return the number of valid samples of each clip, (B, 1): S if `lengths` is None.

    An empty clip counts as one sample.
    """
    if lengths is None:
        return torch.full_like(x[:, :1], x.shape[1], dtype=torch.int64)
    return lengths[:, None].clamp_min(1)
