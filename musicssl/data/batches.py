"""Endless streams of clips: the clips of a batch are a pure function of its position.

A stream runs through one seeded permutation of its pool after another, so every clip is drawn once
before any clip is drawn again, even if the pool is small. A batch is a contiguous section of the
stream; the ranks of a distributed run take neighbouring sections. There is no state between
batches, so a resumed run continues with the next batch of the interrupted one.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from musicssl.batch import Batch
from musicssl.data.loaders import made_ahead
from musicssl.data.splits import share_of
from musicssl.errors import InputError

_BLOCK = 4096  # number of fractions that are drawn at a time
_FRACTIONS = 1  # makes the seeds of fractions differ from those of permutations

Made = TypeVar("Made")


@dataclass(frozen=True, eq=False)
class Stream:
    """A pool of clips in endless, seeded order.

    Attributes:
        pool: Clips to draw from, (N,).
        seed: Seed of the order; streams with different seeds have independent orders.
    """

    pool: NDArray[np.int64]
    seed: tuple[int, ...]

    def draw(self, start: int, count: int) -> NDArray[np.int64]:
        """Return the clips at positions `start` to `start + count` of the stream, (count,)."""
        if count == 0:  # the pool may be empty
            return np.empty(0, np.int64)
        size, drawn = len(self.pool), []
        for turn in range(start // size, (start + count - 1) // size + 1):
            order = _permutation(size, (*self.seed, turn))
            first = turn * size  # position of the permutation in the stream
            drawn.append(self.pool[order[max(0, start - first) : start + count - first]])
        return np.concatenate(drawn)

    def fractions(self, start: int, count: int) -> NDArray[np.float64]:
        """Return pseudo-random numbers in [0, 1) for the same positions, (count,)."""
        blocks, offsets = np.divmod(np.arange(start, start + count), _BLOCK)
        numbers = np.empty(count)
        for block in range(int(blocks[0]), int(blocks[-1]) + 1) if count else ():
            in_block = blocks == block
            numbers[in_block] = _uniform((*self.seed, block, _FRACTIONS))[offsets[in_block]]
        return numbers


@lru_cache(maxsize=8)  # neighbouring batches share a block
def _uniform(seed: tuple[int, ...]) -> NDArray[np.float64]:
    return np.random.default_rng(seed).random(_BLOCK)


@lru_cache(maxsize=8)  # neighbouring batches usually share a permutation
def _permutation(size: int, seed: tuple[int, ...]) -> NDArray[np.int64]:
    return np.random.default_rng(seed).permutation(size)


@dataclass(frozen=True)
class BatchPlan:
    """The clips of the batch of each epoch and step, on one rank.

    Attributes:
        labelled: Stream of labelled clips.
        unlabelled: Stream of clips whose labels are hidden in the batch.
        batch_size: Clips in a batch of one rank, B.
        num_labelled: Labelled clips in a batch; they come first.
        steps_per_epoch: Batches in an epoch.
        rank: Rank of this process.
        world_size: Number of processes.
        num_crops: Crops of each clip, V.
    """

    labelled: Stream
    unlabelled: Stream
    batch_size: int
    num_labelled: int
    steps_per_epoch: int
    rank: int = 0
    world_size: int = 1
    num_crops: int = 1

    def clips(self, epoch: int, step: int) -> NDArray[np.int64]:
        """Return the clips of a batch, (B,), starting with the `num_labelled` labelled clips."""
        labelled, unlabelled = self._stretches(epoch, step)
        return np.concatenate([self.labelled.draw(*labelled), self.unlabelled.draw(*unlabelled)])

    def fractions(self, epoch: int, step: int) -> NDArray[np.float64]:
        """Return the crop position, in [0, 1), of each crop of each clip of a batch, (B, V).

        Like the clips, they depend only on the position in the streams, not on the number of ranks.
        """
        streams = zip((self.labelled, self.unlabelled), self._stretches(epoch, step), strict=True)
        numbers = [
            stream.fractions(start * self.num_crops, count * self.num_crops)
            for stream, (start, count) in streams
        ]
        return np.concatenate(numbers).reshape(-1, self.num_crops)

    def stretch(self, epoch: int, first: int, count: int) -> NDArray[np.int64]:
        """Return the clips of `count` batches of an epoch from step `first` on, (count, B)."""
        turn = (epoch * self.steps_per_epoch + first) * self.world_size
        sizes = (self.num_labelled, self.batch_size - self.num_labelled)
        drawn = [
            stream.draw(turn * size, count * self.world_size * size)
            for stream, size in zip((self.labelled, self.unlabelled), sizes, strict=True)
        ]
        of_ranks = [
            rows.reshape(count, self.world_size, size)
            for rows, size in zip(drawn, sizes, strict=True)
        ]
        return np.concatenate([rows[:, self.rank] for rows in of_ranks], axis=1)

    def _stretches(self, epoch: int, step: int) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return start and number of a batch's clips in the labelled and the unlabelled stream."""
        turn = (epoch * self.steps_per_epoch + step) * self.world_size + self.rank
        num_unlabelled = self.batch_size - self.num_labelled
        return (turn * self.num_labelled, self.num_labelled), (
            turn * num_unlabelled,
            num_unlabelled,
        )


def labelled_share(b_s: float, batch_size: int) -> int:
    """Return the number of labelled clips in a batch of `batch_size` clips, rounded half up.

    >>> labelled_share(0.05, 96)
    5

    Raises:
        InputError: If `b_s` is not in [0, 1], or is positive and rounds to no clip.
    """
    if not 0 <= b_s <= 1:
        hint = f" (did you mean {b_s / 100:.2f}?)" if 1 < b_s <= 100 else ""
        raise InputError(f"data.b_s must be in [0, 1], got {b_s:g}{hint}.")
    count = share_of(batch_size, b_s)
    if b_s > 0 and count == 0:
        raise InputError(
            f"data.b_s={b_s:g} of a batch of {batch_size} clips rounds to no labelled clip; raise "
            f"data.b_s to at least {0.5 / batch_size:.2g} or data.batch_size, or set data.b_s=0."
        )
    return count


class StepLoader(Generic[Made]):
    """A loader of the input of training steps, one epoch per iteration; Lightning can resume it.

    Args:
        steps_per_epoch: Steps of each epoch.
        make: Takes the numbers of an epoch and a step, returns the input of the step.
        epoch: Returns the current epoch; called when an iteration begins.
        ahead: Whether to make the input of a step in a thread during the step before it. Worth it
            if `make` is slow.
    """

    def __init__(
        self,
        steps_per_epoch: int,
        make: Callable[[int, int], Made],
        epoch: Callable[[], int],
        ahead: bool = False,
    ) -> None:
        self._steps_per_epoch = steps_per_epoch
        self._make = make
        self._epoch = epoch
        self._map = made_ahead if ahead else map
        self._position = (0, 0)  # epoch and step of the next batch

    def __len__(self) -> int:
        return self._steps_per_epoch

    def __iter__(self) -> Iterator[Made]:
        """Yield the batches of the current epoch, or the rest of them after a resume within it."""
        epoch = self._epoch()
        first = self._position[1] if self._position[0] == epoch else 0
        steps = range(first, len(self))
        for step, batch in zip(steps, self._map(partial(self._make, epoch), steps), strict=True):
            self._position = (epoch, step + 1)
            yield batch
        self._position = (epoch + 1, 0)

    def state_dict(self) -> dict[str, int]:
        """Return the epoch and step of the next batch, for a checkpoint."""
        return {"epoch": self._position[0], "step": self._position[1]}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Continue at the epoch and step of a checkpoint."""
        self._position = (state["epoch"], state["step"])


class BatchLoader(StepLoader[Batch]):
    """Loader of the training batches.

    Args:
        plan: The clips of each batch.
        gather: Takes clips, (B,), and their crop positions in [0, 1), (B, V), returns a batch.
        epoch: See `StepLoader`.
        ahead: See `StepLoader`.
    """

    def __init__(
        self,
        plan: BatchPlan,
        gather: Callable[[NDArray[np.int64], NDArray[np.float64]], Batch],
        epoch: Callable[[], int],
        ahead: bool = False,
    ) -> None:
        def make(epoch: int, step: int) -> Batch:
            return gather(plan.clips(epoch, step), plan.fractions(epoch, step))

        super().__init__(plan.steps_per_epoch, make, epoch, ahead)
        self.plan = plan
