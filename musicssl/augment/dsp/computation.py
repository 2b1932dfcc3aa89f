"""Computation of transforms: batches in parts, and the precision."""

from collections.abc import Callable

import torch
from torch import Tensor

_PART = 8  # clips


def in_parts(function: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
    """Call a function on a few clips at a time where that is faster, which is on a CPU.

    The intermediate results of a whole batch do not fit into the caches of a CPU and are allocated
    again and again; on a GPU, one call for all clips is faster.

    Args:
        function: Takes tensors of clips and returns as many clips; draws no random numbers.
        tensors: Arguments of the function for all clips, (B, ...).

    Returns:
        The results of all clips, (B, ...).
    """
    if tensors[0].device.type != "cpu":
        return function(*tensors)
    parts = zip(*(torch.split(tensor, _PART) for tensor in tensors), strict=True)
    return torch.cat([function(*part) for part in parts])


def working_dtype(x: Tensor) -> torch.dtype:
    """Return the dtype of a tensor, but at least single precision.

    A sum of squares overflows half precision, and a CPU has no Fourier transform for it.
    """
    return torch.promote_types(x.dtype, torch.float32)
