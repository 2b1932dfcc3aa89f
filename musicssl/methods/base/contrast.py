"""The contrastive loss over the batches of all ranks, and the similarity of labels in it."""

from collections.abc import Callable

import torch
from torch import Tensor

from musicssl.batch import Batch
from musicssl.errors import InputError
from musicssl.evaluation.tasks import Task
from musicssl.losses.contrastive import chunked_contrastive_loss, contrastive_loss
from musicssl.losses.similarity import Labels, Similarity, similarity_of
from musicssl.methods.base.representation import Objective
from musicssl.networks.distributed import gathered

Weights = Callable[[Tensor, Tensor, Labels, Labels], Tensor]


class Contrast:
    """Compare each row of a batch with the rows of all ranks.

    The loss is the cross-entropy between the target similarity of rows, each row divided by its
    sum, and the softmax of the projections' cosines over the temperature; see
    `musicssl.losses.contrastive`.

    Args:
        temperature: Divides the cosines.
        chunk_rows: Number of rows whose similarities are in memory at a time; None for all.

    Raises:
        InputError: If a number is out of range.
    """

    def __init__(self, temperature: float, chunk_rows: int | None) -> None:
        if not temperature > 0:
            raise InputError(f"method.temperature must be positive, got {temperature:g}.")
        if chunk_rows is not None and chunk_rows < 1:
            raise InputError(
                f"method.chunk_rows must be 1 or more, or null for all, got {chunk_rows}."
            )
        self.temperature = temperature
        self.chunk_rows = chunk_rows

    def __call__(self, seen: Batch, z: Tensor, weights: Weights) -> Objective:
        """Return the loss of a batch, with the number of positives per row.

        Args:
            seen: The batch of this rank.
            z: Projections of its rows, (N, P).
            weights: Function that returns the target similarity of n rows to all N, (n, N) in
                [0, 1], given the clips of both, (n,) and (N,), and the labels of both.
        """
        assert seen.rows is not None
        z, clips, y, mask = gathered(z, seen.rows, seen.y, seen.mask)
        labels = Labels(y, mask)
        positives = z.new_zeros((), dtype=torch.float32)

        def weights_of(rows: slice) -> Tensor:
            chunk = Labels(y[rows], mask[rows])
            target = weights(clips[rows], clips, chunk, labels)  # (n, N)
            positives.add_((target > 0).sum() - len(target))  # no row is its own positive
            return target

        if self.chunk_rows is not None:
            loss = chunked_contrastive_loss(z, weights_of, self.temperature, self.chunk_rows)
        else:
            loss = contrastive_loss(z, weights_of(slice(None)), self.temperature)
        return Objective(loss, {"positives_per_anchor": positives / len(z)})


def label_similarity(task: Task, num_classes: int, chosen: Similarity | None) -> Similarity:
    """Return the similarity of labels: the chosen one, or that of the task.

    Raises:
        InputError: If it is for another kind of targets, or one of its settings is invalid.
    """
    similarity = similarity_of(task.name, chosen)
    zeros = torch.zeros(1, num_classes)
    unlabelled = Labels(zeros, zeros.bool())
    similarity(unlabelled, unlabelled)  # reports invalid settings before training
    return similarity
