"""`semisupcon`: contrastive learning from views, from labels, or from both."""

from typing import Any

from torch import Tensor

from musicssl.batch import Batch
from musicssl.losses.similarity import Labels, Similarity, same_clip, union
from musicssl.methods.base.contrast import Contrast, label_similarity
from musicssl.methods.base.representation import Objective, RepresentationMethod


class SemiSupCon(RepresentationMethod):
    """Train embeddings so that crops of one clip, and clips with similar labels, are similar.

    Guinot, Quinton and Fazekas 2024, https://arxiv.org/abs/2407.13840. The target similarity of two
    rows of a batch is 1 if they are crops of the same clip, otherwise the similarity of their
    labels, or 0 if these were not observed. For the loss see `Contrast`. With `data.b_s=0` it is
    self-supervised NT-Xent, with `data.b_s=1` it is supervised, and semi-supervised in between.

    In a distributed run every rank compares its rows with those of all ranks: N GPUs learn the same
    as one GPU from the whole batch (with `trainer.sync_batchnorm=true`, if the encoder has batch
    norms).

    Differences from the published code: a clip without a positive is left out of the mean instead
    of counting as 0 (there is none if every clip has two views). Logarithms are computed by
    log-sum-exp; the code adds 1e-6 to the probability, which hides hard positives. Labels count
    where they were observed, not where they are 1 in a vector of zeros. Crops of a clip that was
    drawn from both the labelled and the unlabelled stream are positives of each other. Crops may
    overlap unless `data.adjacent_crops=true`, as in the code.

    Args:
        similarity: Takes the labels of n and of N rows, returns their similarity, (n, N) in [0, 1];
            None for that of the task, see `musicssl.losses.similarity`.
        temperature: Divides the cosines.
        chunk_rows: Number of rows whose similarities are in memory at a time; None for all.
        parts: See `RepresentationMethod`.

    Raises:
        InputError: If the similarity is for another kind of targets, or a number is out of range.
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
        self.similarity = label_similarity(self.task, self.prior.numel(), similarity)
        self.contrast = Contrast(temperature, chunk_rows)

    def objective(self, seen: Batch, z: Tensor) -> Objective:
        """Compare each row with all others, of all ranks."""
        return self.contrast(seen, z, self.weights)

    def weights(self, clips: Tensor, others: Tensor, labels: Labels, their: Labels) -> Tensor:
        """Return the target similarity of rows of `clips`, (n,), to those of `others`, (N,)."""
        return union(same_clip(clips, others), self.similarity(labels, their))
