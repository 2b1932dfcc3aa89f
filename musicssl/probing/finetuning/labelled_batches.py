"""Training batches of a few labelled clips, whose epoch is a pass over them, not over a corpus."""

import itertools

import numpy as np
import torch
from numpy.typing import NDArray

from musicssl.batch import Batch
from musicssl.data.batches import BatchLoader, BatchPlan, Stream
from musicssl.data.clips import Clips
from musicssl.probing.base import Embeddings

_LEAST_STEPS = 10  # of an epoch: after a single step there is nothing new to validate


def labelled_batches(
    clips: Clips,
    rows: NDArray[np.int64],
    labels: Embeddings,
    batch_size: int,
    seed: int,
) -> BatchLoader:
    """Serve labelled clips in endless, seeded order, a crop of each where they are sound.

    An epoch takes as many batches as the clips fill, but at least 10. A batch has no more clips
    than there are, but two at least, which are crops of the same one if there is but one.

    Args:
        clips: Of the corpus.
        rows: Which of them are labelled, (n,).
        labels: What is known of them; their embeddings are not looked at.
        batch_size: Clips in a batch, at most.
        seed: Of the order and the places of crops.
    """
    y, mask = labels.y.cpu(), labels.mask.cpu()

    def gather(drawn: NDArray[np.int64], places: NDArray[np.float64]) -> Batch:
        piece, here = clips.crop(rows[drawn], places), torch.from_numpy(drawn)
        return Batch(piece.x, y[here], mask[here], piece.lengths)

    size = min(batch_size, max(2, len(rows)))
    stream = Stream(np.arange(len(rows)), (seed,))
    plan = BatchPlan(
        labelled=stream,
        unlabelled=stream,
        batch_size=size,
        num_labelled=size,
        steps_per_epoch=max(_LEAST_STEPS, -(-len(rows) // size)),
    )
    epochs = itertools.count()
    return BatchLoader(plan, gather, epoch=lambda: next(epochs), ahead=clips.reads_files)
