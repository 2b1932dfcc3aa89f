"""Layers of several encoders."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from musicssl.errors import InputError


class Dropout(nn.Dropout):
    """Dropout whose random numbers are cheap on the CPU.

    torch draws a Bernoulli variable for each unit from one serial generator, which takes a third of
    a training step of ATT. Here four units share one 64-bit draw, 16 bits each, so the probability
    is exact to 2^-17. Units are scaled by the rounded probability, so the mean is exact. On other
    devices, and in compiled networks, this is `nn.Dropout`. `benchmarks/dropout.py` has the
    figures.

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
        self.of_runs: DropoutOfRuns | None = None  # set while `p` is that of one of several runs

    def forward(self, x: Tensor) -> Tensor:
        """Zero units at random while training, (...) -> (...)."""
        if self.training and self.of_runs is not None:
            factors: Tensor = _FactorsOfRuns.apply(x, self.of_runs)  # type: ignore[no-untyped-call]
            return x * factors
        plain = not self.training or self.p in (0.0, 1.0) or x.device.type != "cpu"
        if plain or torch.compiler.is_compiling():  # it has no random_
            return super().forward(x)
        return x * dropout_factors(x, self.p)


def dropout_factors(x: Tensor, p: float, generator: torch.Generator | None = None) -> Tensor:
    """Draw the factor of each unit, 0 or 1 / (1 - p) with p rounded to 16 bits.

    Args:
        x: The units, (...).
        p: Probability of dropping a unit.
        generator: Random generator on the device of `x`; None for the default one.
    """
    if p in (0.0, 1.0):
        return torch.full_like(x, 1 - p, requires_grad=False)
    threshold = round(p * 2**16)
    draws = torch.empty(-(-x.numel() // 4), dtype=torch.int64, device=x.device)
    draws.random_(-(2**63), None, generator=generator)
    units = draws.view(torch.int16)[: x.numel()].view(x.shape)  # uniform in [-2^15, 2^15)
    factors = torch.empty_like(x, requires_grad=False)
    torch.ge(units, threshold - 2**15, out=factors)  # writes 0 or 1 without a bool mask
    return factors.mul_(2**16 / (2**16 - threshold))


class DropoutOfRuns(NamedTuple):
    """Dropout of several runs that are one batched model: each draws as it does by itself.

    Attributes:
        rates: Probability of dropping a unit in each run.
        generators: Of each run, on the device of the units.
    """

    rates: Sequence[float]
    generators: Sequence[torch.Generator]

    def factors(self, x: Tensor) -> Tensor:
        """Draw the factors of the units, (runs, ...)."""
        runs = zip(x, self.rates, self.generators, strict=True)
        return torch.stack([dropout_factors(*of_run) for of_run in runs])


class _FactorsOfRuns(torch.autograd.Function):
    """The factors of dropout, which `torch.vmap` draws for all runs at once."""

    @staticmethod
    def forward(x: Tensor, runs: DropoutOfRuns) -> Tensor:
        raise RuntimeError("dropout of several runs is drawn under torch.vmap only")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.mark_non_differentiable(output)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], x: Tensor, runs: DropoutOfRuns) -> Any:
        return runs.factors(x.detach().movedim(in_dims[0], 0)), 0


@contextmanager
def explained_batch_norm() -> Iterator[None]:
    """Explain what to change if a batch norm in training gets a single value of each feature.

    Raises:
        InputError: Instead of torch's error, which does not explain where the value comes from.
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
