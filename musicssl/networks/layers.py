"""Layers of several encoders."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from musicssl.errors import InputError


class Dropout(nn.Dropout):
    """Dropout whose random numbers are cheap on the CPU.

    torch draws a Bernoulli variable for each unit from one serial generator, which takes a third of
    a training step of ATT. Here four units share one 64-bit draw, 16 bits each, so the probability
    is exact to 2^-17. Units are scaled by the rounded probability, so the mean is exact. On other
    devices this is `nn.Dropout`. `benchmarks/dropout.py` has the figures.

    Args:
        p: Probability of dropping a unit.

    Raises:
        InputError: If `p` is not a number.
        ValueError: If `p` is not in [0, 1].
    """

    def __init__(self, p: float = 0.5) -> None:
        if not isinstance(p, int | float):
            raise InputError(f"dropout must be a number from 0 to 1, got {p}.")
        super().__init__(p)

    def forward(self, x: Tensor) -> Tensor:
        """Zero units at random while training, (...) -> (...)."""
        if not self.training or self.p in (0.0, 1.0) or x.device.type != "cpu":
            return super().forward(x)
        threshold = round(self.p * 2**16)
        draws = torch.empty(-(-x.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
        units = draws.view(torch.int16)[: x.numel()].view(x.shape)  # uniform in [-2^15, 2^15)
        noise = torch.empty_like(x, requires_grad=False)
        torch.ge(units, threshold - 2**15, out=noise)  # writes 0 or 1 without a bool mask
        return x * noise.mul_(2**16 / (2**16 - threshold))


@contextmanager
def explained_batch_norm() -> Iterator[None]:
    """Say what to change if a batch norm in training gets a single value of each feature.

    Raises:
        InputError: Instead of torch's error, which does not say whence the value comes.
    """
    try:
        yield
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise InputError(
            "a training batch holds a single clip of one instance, of which batch norm has no "
            "variance; set data.batch_size to at least 2, or to 2 labelled and 2 unlabelled clips "
            "if they are normalised apart (method.joint_batch_norm=false)."
        ) from error
