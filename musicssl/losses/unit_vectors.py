"""Vectors of length 1."""

import torch
from torch import Tensor


def unit_vectors(z: Tensor) -> Tensor:
    """Divide vectors by their length, in float32 or more.

    A vector of zeros stays one, and its gradient is that of no division: PyTorch's `normalize`
    divides it by 1e-12 and so makes its gradient a trillion times as large.

    Args:
        z: Vectors, (..., P), of any scale.
    """
    z = z.to(torch.promote_types(z.dtype, torch.float32))
    length: Tensor = torch.linalg.vector_norm(z, dim=-1, keepdim=True)
    return z / length.where(length > 0, 1)
