"""Many networks of one hidden layer that are trained together, each stopped by itself.

P networks, B clips of a batch, D features, H hidden units, C outputs.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from musicssl.evaluation.tasks import Loss
from musicssl.probing.base import Embeddings

_LEAST_STEPS = 5  # of an epoch
_NUMBERS = 1 << 24  # of hidden units in memory at once while validating: 64 MiB


class Network(NamedTuple):
    """One network; or several, whose tensors all have a dimension P in front.

    Attributes:
        inner: (D, H).
        inner_bias: (H,).
        outer: (H, C).
        outer_bias: (C,).
    """

    inner: Tensor
    inner_bias: Tensor
    outer: Tensor
    outer_bias: Tensor

    def outputs(self, z: Tensor, kept: Tensor | None = None) -> Tensor:
        """Return the outputs for some clips, (..., B, D) -> (..., B, C).

        Args:
            z: Standardised embeddings.
            kept: Factors of the hidden units, (B, H): 0 for those that are dropped.
        """
        hidden = (z @ self.inner + self.inner_bias.unsqueeze(-2)).relu()
        if kept is not None:
            hidden = hidden * kept
        return hidden @ self.outer + self.outer_bias.unsqueeze(-2)

    def copied(self) -> "Network":
        """Return a network with the same parameters, to be trained by itself."""
        return Network(*(part.detach().clone().requires_grad_() for part in self))


class Course(NamedTuple):
    """How networks are trained.

    Attributes:
        epochs: At most. One is a pass over the clips, or as many as make 5 steps: with a single
            step in each, patience would end before anything but the biases had been learnt.
        patience: Epochs without a better validation loss after which a network is left.
        batch_size: Clips in a step, at most; all steps have one size, or nearly.
        dropout: Probability of dropping a hidden unit, the same ones for all networks.
    """

    epochs: int
    patience: int
    batch_size: int
    dropout: float


@dataclass
class Run:
    """One network in training.

    Attributes:
        network: As it is now; leaves to be learnt.
        subset: Which of the subsets it learns from.
        rate: Learning rate.
        weight_decay: Factor of half the squared weights in its loss; biases go free.
        best: As it was when it validated best.
        loss: Its validation loss then.
        epoch: When that was; 0 before training.
        waited: Epochs since then.
    """

    network: Network
    subset: int
    rate: float
    weight_decay: float
    best: Network = field(init=False)
    loss: float = torch.inf
    epoch: int = 0
    waited: int = 0

    def __post_init__(self) -> None:
        self.best = self.network.copied()

    def validated(self, epoch: int, loss: float) -> None:
        """Keep the network if it is the best so far."""
        if loss < self.loss:
            self.best, self.loss, self.epoch, self.waited = self.network.copied(), loss, epoch, 0
        else:
            self.waited += 1

    def parameter_groups(self) -> list[dict[str, object]]:
        """Return what an optimiser learns, and how."""
        inner, inner_bias, outer, outer_bias = self.network
        return [
            {"params": [inner, outer], "lr": self.rate, "weight_decay": self.weight_decay},
            {"params": [inner_bias, outer_bias], "lr": self.rate},
        ]


@torch.enable_grad()
def train_together(
    runs: Sequence[Run],
    train: Embeddings,
    val: Embeddings,
    loss: Loss,
    course: Course,
    generator: torch.Generator,
) -> None:
    """Train networks by Adam, in place.

    All see clips in the same order, by their places in their subsets, so that what becomes of one
    does not depend on the others. A network that has stopped takes no more time. The weights of a
    network are tensors of its own, for Adam has one rate for a tensor; they are stacked for each
    step, which costs less than a tenth of it.

    Args:
        runs: The networks.
        train: Clips of each of the U subsets, standardised: (U, n, D), (U, n, C) and (U, n, C).
        val: Validation clips, as each subset has them standardised; of the same form.
        loss: To minimise, and to stop by.
        course: For how long, and in what steps.
        generator: Of the order of the clips, and of dropout; on the CPU.
    """
    optimiser = torch.optim.Adam(
        [group for run in runs for group in run.parameter_groups()], fused=True
    )
    active = list(runs)
    _validate(active, val, loss, 0)
    for epoch in range(1, course.epochs + 1):
        for rows in _batches(train.h.shape[1], course.batch_size, generator):
            kept = _kept(len(rows), runs[0].network, course.dropout, generator)
            optimiser.zero_grad()
            losses = _losses(active, train, rows.to(train.h.device), loss, kept)
            torch.autograd.backward(losses.sum())
            optimiser.step()
        _validate(active, val, loss, epoch)
        active = [run for run in active if run.waited < course.patience]
        if not active:
            break


def _batches(num_clips: int, batch_size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Draw the batches of an epoch: places of clips, (B,) each."""
    steps = math.ceil(num_clips / batch_size)
    for _ in range(math.ceil(_LEAST_STEPS / steps)):
        yield from torch.randperm(num_clips, generator=generator).tensor_split(steps)


def _kept(
    num_clips: int, network: Network, dropout: float, generator: torch.Generator
) -> Tensor | None:
    """Draw the factors of the hidden units in a step, (B, H); None without dropout."""
    if dropout == 0:
        return None
    draws = torch.rand(num_clips, len(network.inner_bias), generator=generator)
    return ((draws >= dropout) / (1 - dropout)).to(network.inner)


def _losses(
    runs: Sequence[Run], clips: Embeddings, rows: Tensor, loss: Loss, kept: Tensor | None
) -> Tensor:
    """Return the loss of each network on some clips of its subset, (P,)."""
    h, y, mask = _seen(runs, clips, rows)
    return _of_each(loss, _together(runs).outputs(h, kept), y, mask)


@torch.no_grad()
def _validate(runs: Sequence[Run], val: Embeddings, loss: Loss, epoch: int) -> None:
    network, device = _together(runs), val.h.device
    rows = torch.arange(val.h.shape[1], device=device)
    step = max(1, _NUMBERS // network.inner_bias.numel())
    outputs = [network.outputs(_seen(runs, val, part).h) for part in torch.split(rows, step)]
    _, y, mask = _seen(runs, val, rows)
    losses = _of_each(loss, torch.cat(outputs, dim=1), y, mask)
    for run, of_run in zip(runs, losses.tolist(), strict=True):
        run.validated(epoch, of_run)


def _together(runs: Sequence[Run]) -> Network:
    """Return the networks as one, of which each is given its gradient."""
    return Network(*(torch.stack(parts) for parts in zip(*(r.network for r in runs), strict=True)))


def _seen(runs: Sequence[Run], clips: Embeddings, rows: Tensor) -> Embeddings:
    """Return clips as each network has them, (P, B, ...)."""
    subsets = torch.tensor([run.subset for run in runs], device=rows.device)
    return Embeddings(*(part[subsets[:, None], rows] for part in clips))


def _of_each(loss: Loss, outputs: Tensor, y: Tensor, mask: Tensor) -> Tensor:
    """Return the loss of each network, (P,)."""
    unused = outputs.new_zeros(outputs.shape[2])  # natural losses know no prior
    losses: Tensor = torch.vmap(loss, in_dims=(0, 0, 0, None))(outputs, y, mask, unused)
    return losses
