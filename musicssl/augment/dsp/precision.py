"""The precision that transforms compute in."""

import torch
from torch import Tensor


def working_dtype(x: Tensor) -> torch.dtype:
    """Return the dtype of a tensor, or single precision where that is less.

    A sum of squares overflows half precision, and there are no Fourier transforms of it on a CPU.
    """
    return torch.promote_types(x.dtype, torch.float32)
