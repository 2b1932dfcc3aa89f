"""What each clip of a batch counts, so that batches speak for all clips they are drawn from."""

import numpy as np
import torch
from torch import Tensor

from musicssl.batch import Batch
from musicssl.data.batches import BatchPlan


class ClipWeights:
    """Weights with which the sum over a batch is, in expectation, the mean over all N clips.

    All clips are those that batches are drawn from: the pool of the labelled stream, and what else
    is in that of the unlabelled one. A clip of the former that comes among the unlabelled ones of a
    batch, its labels hidden, has weight 0, or it would count twice.

    Args:
        plan: Of the batches.
        device: To keep everything on.
    """

    def __init__(self, plan: BatchPlan, device: torch.device) -> None:
        self._num_labelled = plan.num_labelled * plan.num_crops  # rows of a batch
        num_unlabelled = plan.batch_size * plan.num_crops - self._num_labelled
        labelled = plan.labelled.pool if self._num_labelled else plan.labelled.pool[:0]
        pool = plan.unlabelled.pool if num_unlabelled else plan.unlabelled.pool[:0]
        total = len(np.union1d(labelled, pool))
        self._of_labelled = len(labelled) / total / max(self._num_labelled, 1)
        self._of_others = len(pool) / total / max(num_unlabelled, 1)
        known = np.zeros(int(max(labelled.max(initial=0), pool.max(initial=0))) + 1, dtype=bool)
        known[labelled] = True
        self._known = torch.from_numpy(known).to(device)  # whether a row is of the labelled pool

    def of(self, batch: Batch) -> Tensor:
        """Return the weights of the clips of a training batch, (B,)."""
        assert batch.rows is not None
        weights = self._of_others * ~self._known[batch.rows]
        weights[: self._num_labelled] = self._of_labelled
        return weights
