"""The rows of all ranks, so that a loss over pairs sees the whole batch of a distributed run."""

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.nn import functional

from musicssl.errors import InputError


def world_size() -> int:
    """Return the number of processes that train together; 1 outside a distributed run."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def gathered(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Join the rows of all ranks, in the order of ranks, with gradient.

    The gradient of a rank's rows is summed over what every rank makes of them. Where each rank has
    the same loss of all rows, the mean of gradients that DistributedDataParallel takes is then
    exactly the gradient of one process with the whole batch. (With `torch.distributed.all_gather`,
    which has no gradient, and one's own rows put back, it is not: each rank misses what its rows
    are to the anchors of others.) Tensors without gradient, labels and numbers of clips, are joined
    alike.

    The gathering is torch's own differentiable one, for gloo and NCCL; only the count of rows is
    checked in addition, since NCCL waits for ever, or joins garbage, where ranks differ in it. The
    check makes a GPU wait, so that what belongs together is best gathered in one call.

    Args:
        tensors: Of this rank, each (n, ...) with the same n, of any dtype.

    Returns:
        Each one with the rows of all R ranks, (R n, ...); the tensors themselves if there is one.

    Raises:
        InputError: If ranks differ in the number of rows.
    """
    if world_size() == 1:
        return tensors
    first = tensors[0]
    counts = torch.cat(_all_gather(torch.tensor([len(first)], device=first.device))).tolist()
    if len(set(counts)) > 1:
        listed = ", ".join(str(count) for count in counts)
        raise InputError(f"the ranks hold {listed} rows; give every rank as many as the others.")
    return tuple(torch.cat(_all_gather(x)) for x in tensors)


def _all_gather(x: Tensor) -> tuple[Tensor, ...]:
    parts: tuple[Tensor, ...] = functional.all_gather(x)  # type: ignore[no-untyped-call]
    return parts
