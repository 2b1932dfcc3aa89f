"""Label-wise batches: labelled and unlabelled clips are drawn for each label separately.

In binary relevance each label is learnt by a model of its own. For the model of label c, the
labelled clips D_l(c) are the training clips in which c was observed, and the unlabelled clips
D_u(c) are all others, even if other labels of them were observed. Every step has a labelled and an
unlabelled batch for each model, which hold only the rows of clips: all models read the same clips,
so a method keeps them on its device. As in `musicssl.data.batches`, a batch is a pure function of
its position, and the batches of a model do not depend on the observations of other labels.
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

_LABELLED, _UNLABELLED = 0, 1  # give the two streams of a model different orders


class LabelRows(NamedTuple):
    """Rows of the clips that the M models get in a step.

    Attributes:
        labelled: Clips in which the model's label was observed, (M, B_l) int64. If there is none
            (`LabelCounts.labelled` is 0), these are unlabelled clips.
        unlabelled: Clips whose label the model must ignore, (M, B_u) int64.
    """

    labelled: Tensor
    unlabelled: Tensor

    def to(self, device: torch.device) -> "LabelRows":
        """Return the rows on a device; the same tensors if they are already on it."""
        return LabelRows(*(part.to(device, non_blocking=True) for part in self))


class LabelCounts(NamedTuple):
    """Numbers of clips that the M models learn from.

    Attributes:
        labelled: Clips in D_l of each model, (M,) int64.
        unlabelled: Clips from which its unlabelled batches are drawn, (M,) int64.
    """

    labelled: Tensor
    unlabelled: Tensor


@dataclass(frozen=True, eq=False)
class LabelPlan:
    """The clips of each model in each epoch and step, on one rank.

    Attributes:
        labelled: Stream of labelled clips of each model, (M).
        unlabelled: Stream of unlabelled clips of each model, (M).
        counts: Numbers of clips of each model.
        batch_size: Clips that a model gets in a step, on one rank, B.
        num_labelled: Labelled clips among them, B_l.
        rank: Rank of this process.
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
        """Unlabelled clips that a model gets in a step, on one rank, B_u."""
        return self.batch_size - self.num_labelled

    @property
    def steps_per_epoch(self) -> int:
        """Steps in which every model gets each of its unlabelled clips, as in Gururani's thesis.

        The model with the most unlabelled clips gets each of them once; the other models go on with
        their next permutation. Without unlabelled batches the number of labelled clips decides.
        """
        if self.num_unlabelled == 0:
            return -(-int(self.counts.labelled.max()) // (self.num_labelled * self.world_size))
        return -(-int(self.counts.unlabelled.max()) // (self.num_unlabelled * self.world_size))

    def rows(self, epoch: int, step: int) -> LabelRows:
        """Return the clips of a step; the ranks take neighbouring sections of each stream."""
        labelled, unlabelled = self.of_epoch(epoch)
        return LabelRows(labelled[step], unlabelled[step])

    def of_epoch(self, epoch: int) -> tuple[Tensor, Tensor]:
        """Return the clips of all steps of an epoch, (steps, M, B_l) and (steps, M, B_u)."""
        return _of_epoch(self, epoch)


@lru_cache(maxsize=1)  # drawing from many streams is slow, so a whole epoch is drawn at once
def _of_epoch(plan: LabelPlan, epoch: int) -> tuple[Tensor, Tensor]:
    """Return the clips of all steps of an epoch, (steps, M, B_l) and (steps, M, B_u)."""
    labelled = [_stretch(plan, stream, epoch, plan.num_labelled) for stream in plan.labelled]
    unlabelled = [_stretch(plan, stream, epoch, plan.num_unlabelled) for stream in plan.unlabelled]
    return torch.stack(labelled, dim=1), torch.stack(unlabelled, dim=1)


def _stretch(plan: LabelPlan, stream: Stream, epoch: int, size: int) -> Tensor:
    """Draw an epoch of all ranks from a stream; return the clips of this rank, (steps, `size`)."""
    steps = plan.steps_per_epoch
    count = steps * plan.world_size * size
    drawn = stream.draw(epoch * count, count).reshape(steps, plan.world_size, size)
    return torch.from_numpy(drawn[:, plan.rank])


def plan_labels(
    observed: NDArray[np.bool_],
    train: NDArray[np.int64],
    others: NDArray[np.int64] | None,
    seed: int,
    batch_size: int,
    num_labelled: int,
    rank: int = 0,
    world_size: int = 1,
    validating: NDArray[np.bool_] | None = None,
) -> LabelPlan:
    """Divide training clips into labelled and unlabelled ones for each model, and plan the batches.

    If a label was observed in all training clips, unlabelled clips are drawn from all of them, with
    the label hidden, as in the unlabelled stream of other methods. If a label was observed in none,
    its labelled batches are drawn from the unlabelled clips, and the method gives them no weight.

    Args:
        observed: True where a model's label was observed, (N, M).
        train: The training clips, (N,).
        others: Clips of the unlabelled corpus, which are then the unlabelled clips of every model;
            or None.
        seed: Seed of the order of the clips.
        batch_size: See `LabelPlan`.
        num_labelled: See `LabelPlan`.
        rank: See `LabelPlan`.
        world_size: See `LabelPlan`.
        validating: True where a clip validates a model, (N, M), and so is in none of its batches;
            or None.
    """
    labelled, unlabelled = [], []
    if validating is None:
        validating = np.zeros_like(observed)
    for model, has_label in enumerate(observed.T):
        pool = others
        if pool is None:
            free = train[~validating[:, model]]
            unobserved = train[~has_label & ~validating[:, model]]
            pool = unobserved if len(unobserved) else free
        chosen = train[has_label] if has_label.any() else pool
        labelled.append(Stream(chosen, (seed, _LABELLED, model)))
        unlabelled.append(Stream(pool, (seed, _UNLABELLED, model)))
    counts = LabelCounts(
        labelled=torch.from_numpy(observed.sum(axis=0)),
        unlabelled=torch.tensor([len(stream.pool) for stream in unlabelled]),
    )
    return LabelPlan(labelled, unlabelled, counts, batch_size, num_labelled, rank, world_size)
