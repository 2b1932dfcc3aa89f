"""`semisupcon`: contrastive learning from views, labels and similarities, at any mix."""

from typing import Any

import torch
from torch import Tensor

from musicssl.batch import Batch
from musicssl.errors import InputError
from musicssl.losses.contrastive import chunked_contrastive_loss, contrastive_loss
from musicssl.losses.similarity import Labels, Similarity, same_clip, similarity_of, union
from musicssl.methods.base.representation import Objective, RepresentationMethod
from musicssl.networks.distributed import gathered


class SemiSupCon(RepresentationMethod):
    """Pull together what is alike: crops of one clip, and clips with like labels.

    Guinot, Quinton and Fazekas 2024, https://arxiv.org/abs/2407.13840. The target similarity of two
    rows of a batch is 1 if they are crops of the same clip, and otherwise what their labels say,
    0 where those were not observed. The loss is the cross-entropy between that similarity, each row
    divided by its sum, and the softmax of the projections' cosines over the temperature; see
    `musicssl.losses.contrastive`. With `data.b_s=0` it is NT-Xent of self-supervision, with
    `data.b_s=1` it is supervised, and semi-supervised between.

    In a distributed run every rank compares its rows with those of all ranks: N GPUs learn what one
    learns from the whole batch (with `trainer.sync_batchnorm=true`, where the encoder has batch
    norms).

    Where we differ from the published code. A clip without a positive is left out of the mean
    instead of counting as 0 (with views of every clip there is none). Logarithms are taken by
    log-sum-exp; the code adds 1e-6 to the probability, which hides hard positives. Labels count
    where they were observed, not where they are 1 in a vector of zeros. Crops of a clip that the
    labelled and the unlabelled stream both drew are positives of each other. Crops may overlap
    unless `data.adjacent_crops=true`, which is what the code does.

    Args:
        similarity: Takes the labels of n and of N rows to what they have in common, (n, N) in
            [0, 1]; None for that of the task, see `musicssl.losses.similarity`.
        temperature: Divides the cosines.
        chunk_rows: Rows whose similarities are held in memory at a time; None for all.
        parts: See `RepresentationMethod`.

    Raises:
        InputError: If the similarity is for targets of another kind, or a number cannot be.
    """

    def __init__(
        self,
        *,
        similarity: Similarity | None = None,
        temperature: float = 0.1,
        chunk_rows: int | None = None,
        **parts: Any,
    ) -> None:
        super().__init__(**parts)
        if not temperature > 0:
            raise InputError(f"method.temperature must be positive, got {temperature:g}.")
        if chunk_rows is not None and chunk_rows < 1:
            raise InputError(
                f"method.chunk_rows must be 1 or more, or null for all, got {chunk_rows}."
            )
        self.similarity = similarity_of(self.task.name, similarity)
        nothing = torch.zeros(1, self.prior.numel())
        unlabelled = Labels(nothing, nothing.bool())
        self.similarity(unlabelled, unlabelled)  # finds fault with its settings before training
        self.temperature = temperature
        self.chunk_rows = chunk_rows

    def objective(self, seen: Batch, z: Tensor) -> Objective:
        """Compare each row with all others, of all ranks."""
        assert seen.rows is not None
        z, clips, y, mask = gathered(z, seen.rows, seen.y, seen.mask)
        labels = Labels(y, mask)
        positives = z.new_zeros((), dtype=torch.float32)

        def weights(rows: slice) -> Tensor:
            here = Labels(y[rows], mask[rows])
            similar = self.weights(clips[rows], clips, here, labels)  # (n, N)
            positives.add_((similar > 0).sum() - len(similar))  # no row is its own positive
            return similar

        if self.chunk_rows is not None:
            loss = chunked_contrastive_loss(z, weights, self.temperature, self.chunk_rows)
        else:
            loss = contrastive_loss(z, weights(slice(None)), self.temperature)
        return Objective(loss, {"positives_per_anchor": positives / len(z)})

    def weights(self, clips: Tensor, others: Tensor, labels: Labels, their: Labels) -> Tensor:
        """Return how alike rows of `clips`, (n,), are to be to those of `others`, (N,): (n, N)."""
        return union(same_clip(clips, others), self.similarity(labels, their))
