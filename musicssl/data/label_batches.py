"""Label-wise batches: for each label its own labelled and its own unlabelled clips.

In binary relevance a model of its own learns each label. To the model of label c, the labelled
clips D_l(c) are the training clips in which c was observed, and the unlabelled ones D_u(c) are all
others, whatever else is known of them. Every step has a labelled and an unlabelled batch for each
model, as numbers of clips alone: all models read the same clips, so that a method keeps them on its
device. As in `musicssl.data.batches` a batch is a pure function of its position, and a model's
batches do not depend on what is known of the other labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from musicssl.data.batches import Stream

_LABELLED, _UNLABELLED = 0, 1  # tell the orders of a model's two streams apart


class LabelRows(NamedTuple):
    """Which clips of the corpus the M models see in a step.

    Attributes:
        labelled: Clips in which the model's label was observed, (M, B_l) int64; where
            `LabelCounts.labelled` is 0 there is none, and these are unlabelled ones.
        unlabelled: Clips whose label the model must not look at, (M, B_u) int64.
    """

    labelled: Tensor
    unlabelled: Tensor

    def to(self, device: torch.device) -> "LabelRows":
        """Return the numbers on a device; the same tensors if they are there already."""
        return LabelRows(*(part.to(device, non_blocking=True) for part in self))


class LabelCounts(NamedTuple):
    """How many clips the M models learn from.

    Attributes:
        labelled: Clips in D_l of each model, (M,) int64.
        unlabelled: Clips that its unlabelled batches are drawn from, (M,) int64.
    """

    labelled: Tensor
    unlabelled: Tensor


@dataclass(frozen=True, eq=False)
class LabelPlan:
    """Which clips each model sees in a given epoch and step, on a given rank.

    Attributes:
        labelled: Stream of labelled clips of each model, (M).
        unlabelled: Stream of unlabelled clips of each model, (M).
        counts: Of the clips.
        batch_size: Clips that a model sees in a step, on one rank, B.
        num_labelled: Labelled clips among them, B_l.
        rank: Of this process.
        world_size: Number of processes.
    """

    labelled: Sequence[Stream]
    unlabelled: Sequence[Stream]
    counts: LabelCounts
    batch_size: int
    num_labelled: int
    rank: int = 0
    world_size: int = 1

    @property
    def num_unlabelled(self) -> int:
        """Unlabelled clips that a model sees in a step, on one rank, B_u."""
        return self.batch_size - self.num_labelled

    @property
    def steps_per_epoch(self) -> int:
        """Steps in which every model sees each of its unlabelled clips, as in Gururani's thesis.

        The model with the most of them sees each once; others go on into their next permutation.
        Without unlabelled batches the labelled clips count.
        """
        if self.num_unlabelled == 0:
            return -(-int(self.counts.labelled.max()) // (self.num_labelled * self.world_size))
        return -(-int(self.counts.unlabelled.max()) // (self.num_unlabelled * self.world_size))

    def rows(self, epoch: int, step: int) -> LabelRows:
        """Return the clips of a step; the ranks take neighbouring stretches of each stream."""
        labelled, unlabelled = _of_epoch(self, epoch)
        return LabelRows(labelled[step], unlabelled[step])


@lru_cache(maxsize=1)  # drawing from many streams takes long, so an epoch is drawn at once
def _of_epoch(plan: LabelPlan, epoch: int) -> tuple[Tensor, Tensor]:
    """Return the clips of all steps of an epoch, (steps, M, B_l) and (steps, M, B_u)."""
    labelled = [_stretch(plan, stream, epoch, plan.num_labelled) for stream in plan.labelled]
    unlabelled = [_stretch(plan, stream, epoch, plan.num_unlabelled) for stream in plan.unlabelled]
    return torch.stack(labelled, dim=1), torch.stack(unlabelled, dim=1)


def _stretch(plan: LabelPlan, stream: Stream, epoch: int, size: int) -> Tensor:
    """Draw an epoch of all ranks from a stream, and return this rank's, (steps, `size`)."""
    steps = plan.steps_per_epoch
    count = steps * plan.world_size * size
    drawn = stream.draw(epoch * count, count).reshape(steps, plan.world_size, size)
    return torch.from_numpy(drawn[:, plan.rank])


def plan_labels(
    known: NDArray[np.bool_],
    train: NDArray[np.int64],
    others: NDArray[np.int64] | None,
    seed: int,
    batch_size: int,
    num_labelled: int,
    rank: int = 0,
    world_size: int = 1,
) -> LabelPlan:
    """Sort training clips into labelled and unlabelled ones for each model, and plan the batches.

    A label that is known of all training clips leaves none unlabelled: then all of them are, their
    labels hidden, as in the unlabelled stream of other methods. A label that is known of none has
    its labelled batches drawn from the unlabelled clips; the method gives them no weight.

    Args:
        known: True where a model's label was observed, (N, M).
        train: The training clips, (N,).
        others: Clips of a second corpus, which are the unlabelled ones of every model in place of
            the complement; or None.
        seed: Of the order of the clips.
        batch_size: See `LabelPlan`.
        num_labelled: See `LabelPlan`.
        rank: See `LabelPlan`.
        world_size: See `LabelPlan`.
    """
    labelled, unlabelled = [], []
    for model, observed in enumerate(known.T):
        pool = others
        if pool is None:
            pool = train if observed.all() else train[~observed]
        chosen = train[observed] if observed.any() else pool
        labelled.append(Stream(chosen, (seed, _LABELLED, model)))
        unlabelled.append(Stream(pool, (seed, _UNLABELLED, model)))
    counts = LabelCounts(
        labelled=torch.from_numpy(known.sum(axis=0)),
        unlabelled=torch.tensor([len(stream.pool) for stream in unlabelled]),
    )
    return LabelPlan(labelled, unlabelled, counts, batch_size, num_labelled, rank, world_size)
