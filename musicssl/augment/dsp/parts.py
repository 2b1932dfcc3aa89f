"""A few clips at a time."""

from collections.abc import Callable

import torch
from torch import Tensor

_PART = 8  # clips


def in_parts(function: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
    """Call a function of clips on a few of them at a time, where that is faster.

    On a CPU, what is computed of all clips of a batch does not fit into its caches, and memory is
    asked for again and again; on a GPU, all at once is faster.

    Args:
        function: Takes tensors of clips, and returns as many clips; draws nothing.
        tensors: Of all clips, (B, ...).

    Returns:
        What it makes of all clips, (B, ...).
    """
    if tensors[0].device.type != "cpu":
        return function(*tensors)
    parts = zip(*(torch.split(tensor, _PART) for tensor in tensors), strict=True)
    return torch.cat([function(*part) for part in parts])
