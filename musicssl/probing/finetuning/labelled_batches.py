"""Training batches of a few labelled clips; an epoch is a pass over these clips."""

import itertools

import numpy as np
import torch
from numpy.typing import NDArray

from musicssl.batch import Batch
from musicssl.data.batches import BatchLoader, BatchPlan, Stream
from musicssl.data.clips import Clips
from musicssl.probing.base import Embeddings

_LEAST_STEPS = 10  # steps of an epoch at least: validation after every single step is of no use


def labelled_batches(
    clips: Clips,
    rows: NDArray[np.int64],
    labels: Embeddings,
    batch_size: int,
    seed: int,
) -> BatchLoader:
    """Return endless batches of labelled clips in seeded order; clips of sound are cropped.

    An epoch has enough batches for a pass over the clips, but at least 10. A batch has at most as
    many clips as there are, but at least two, which may be crops of the same clip.

    Args:
        clips: Clips of the corpus.
        rows: Rows of the labelled clips, (n,).
        labels: Their labels; the embeddings are not used.
        batch_size: Largest number of clips in a batch.
        seed: Seed of the order and of the positions of crops.
    """
    y, mask = labels.y.cpu(), labels.mask.cpu()

    def gather(drawn: NDArray[np.int64], crop_positions: NDArray[np.float64]) -> Batch:
        crops, index = clips.crop(rows[drawn], crop_positions), torch.from_numpy(drawn)
        return Batch(crops.x, y[index], mask[index], crops.lengths)

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
