"""Many networks with one hidden layer that are trained together, each with early stopping.

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

_LEAST_STEPS = 5  # steps of an epoch at least
_NUMBERS = 1 << 24  # activations of hidden units in memory at once in validation: 64 MiB


class Network(NamedTuple):
    """One network; or P networks, whose tensors all have a first dimension of size P.

    Attributes:
        inner: Weights of the hidden layer, (D, H).
        inner_bias: Biases of the hidden layer, (H,).
        outer: Weights of the output layer, (H, C).
        outer_bias: Biases of the output layer, (C,).
    """

    inner: Tensor
    inner_bias: Tensor
    outer: Tensor
    outer_bias: Tensor

    def outputs(self, z: Tensor, kept: Tensor | None = None) -> Tensor:
        """Return the outputs for some clips, (..., B, D) -> (..., B, C).

        Args:
            z: Standardised embeddings.
            kept: Factors of the hidden units, (B, H): 0 for dropped units.
        """
        hidden = (z @ self.inner + self.inner_bias.unsqueeze(-2)).relu()
        if kept is not None:
            hidden = hidden * kept
        return hidden @ self.outer + self.outer_bias.unsqueeze(-2)

    def copied(self) -> "Network":
        """Return a copy whose parameters can be trained separately."""
        return Network(*(part.detach().clone().requires_grad_() for part in self))


class Schedule(NamedTuple):
    """The schedule of training.

    Attributes:
        epochs: Maximum number of epochs. An epoch is a pass over the clips, or as many passes as
            are needed for 5 steps: with epochs of a single step, patience would end training before
            anything but the biases was learnt.
        patience: Number of epochs without an improvement after which training of a network stops.
        batch_size: Largest number of clips in a step; all steps have nearly the same size.
        dropout: Probability of dropping a hidden unit; the same units for all networks.
    """

    epochs: int
    patience: int
    batch_size: int
    dropout: float


@dataclass
class Candidate:
    """One network in training, a candidate for the probe of its subset.

    Attributes:
        network: The current network; its parameters are leaf tensors.
        subset: Index of the subset that it learns from.
        rate: Learning rate.
        weight_decay: Factor of half the squared weights in its loss, without biases.
        best: The network at its best epoch.
        loss: Validation loss at the best epoch.
        epoch: The best epoch; 0 is before training.
        waited: Number of epochs since the best one.
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
        """Keep the network if its validation loss is the lowest so far."""
        if loss < self.loss:
            self.best, self.loss, self.epoch, self.waited = self.network.copied(), loss, epoch, 0
        else:
            self.waited += 1

    def parameter_groups(self) -> list[dict[str, object]]:
        """Return the parameter groups for an optimiser."""
        inner, inner_bias, outer, outer_bias = self.network
        return [
            {"params": [inner, outer], "lr": self.rate, "weight_decay": self.weight_decay},
            {"params": [inner_bias, outer_bias], "lr": self.rate},
        ]


@torch.enable_grad()
def train_together(
    candidates: Sequence[Candidate],
    train: Embeddings,
    val: Embeddings,
    loss: Loss,
    schedule: Schedule,
    generator: torch.Generator,
) -> None:
    """Train networks by Adam, in place.

    All networks get the clips of their subsets in the same order of rows, so that a network does
    not depend on the others. A network that has stopped is no longer computed. Each network has its
    own tensors of weights, since Adam has one rate for a tensor; they are stacked for each step,
    which takes less than a tenth of the step.

    Args:
        candidates: The networks.
        train: Clips of each of the U subsets, standardised: (U, n, D), (U, n, C) and (U, n, C).
        val: Validation clips, standardised for each subset; in the same form.
        loss: Loss of training and of early stopping.
        schedule: Schedule of training.
        generator: Generator of the order of the clips and of dropout; on the CPU.
    """
    optimiser = torch.optim.Adam(
        [group for candidate in candidates for group in candidate.parameter_groups()], fused=True
    )
    active = list(candidates)
    _validate(active, val, loss, 0)
    for epoch in range(1, schedule.epochs + 1):
        for rows in _batches(train.h.shape[1], schedule.batch_size, generator):
            kept = _kept(len(rows), candidates[0].network, schedule.dropout, generator)
            optimiser.zero_grad()
            losses = _losses(active, train, rows.to(train.h.device), loss, kept)
            torch.autograd.backward(losses.sum())
            optimiser.step()
        _validate(active, val, loss, epoch)
        active = [candidate for candidate in active if candidate.waited < schedule.patience]
        if not active:
            break


def _batches(num_clips: int, batch_size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Draw the batches of an epoch: rows of clips, (B,) each."""
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
    candidates: Sequence[Candidate],
    clips: Embeddings,
    rows: Tensor,
    loss: Loss,
    kept: Tensor | None,
) -> Tensor:
    """Return the loss of each network on some clips of its subset, (P,)."""
    h, y, mask = _clips_of(candidates, clips, rows)
    return _losses_of(loss, _stacked(candidates).outputs(h, kept), y, mask)


@torch.no_grad()
def _validate(candidates: Sequence[Candidate], val: Embeddings, loss: Loss, epoch: int) -> None:
    network, device = _stacked(candidates), val.h.device
    rows = torch.arange(val.h.shape[1], device=device)
    step = max(1, _NUMBERS // network.inner_bias.numel())
    outputs = [
        network.outputs(_clips_of(candidates, val, part).h) for part in torch.split(rows, step)
    ]
    _, y, mask = _clips_of(candidates, val, rows)
    losses = _losses_of(loss, torch.cat(outputs, dim=1), y, mask)
    for candidate, value in zip(candidates, losses.tolist(), strict=True):
        candidate.validated(epoch, value)


def _stacked(candidates: Sequence[Candidate]) -> Network:
    """Stack the networks into one; gradients flow to each of them."""
    return Network(
        *(torch.stack(parts) for parts in zip(*(r.network for r in candidates), strict=True))
    )


def _clips_of(candidates: Sequence[Candidate], clips: Embeddings, rows: Tensor) -> Embeddings:
    """Return the clips of each network's subset, (P, B, ...)."""
    subsets = torch.tensor([candidate.subset for candidate in candidates], device=rows.device)
    return Embeddings(*(part[subsets[:, None], rows] for part in clips))


def _losses_of(loss: Loss, outputs: Tensor, y: Tensor, mask: Tensor) -> Tensor:
    """Return the loss of each network, (P,)."""
    losses: Tensor = torch.vmap(loss)(outputs, y, mask)
    return losses
