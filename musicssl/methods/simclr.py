"""`simclr`: contrastive learning from views alone."""

from typing import Any

from torch import Tensor

from musicssl.batch import Batch
from musicssl.losses.similarity import Labels, same_clip
from musicssl.methods.base.contrast import Contrast
from musicssl.methods.base.representation import Objective, RepresentationMethod


class SimCLR(RepresentationMethod):
    """Train embeddings to distinguish the crops of a clip from those of all other clips.

    Chen et al. 2020, https://arxiv.org/abs/2002.05709: NT-Xent, equation 1. The target
    similarity of two rows is 1 if they are crops of the same clip; labels are not used. On music,
    with `samplecnn`, it is CLMR: Spijkervet and Burgoyne 2021, https://arxiv.org/abs/2103.09410.

    Differences from the paper: if a clip has more than two crops, all of them are positives of each
    other, as in SupCon's L_out. The optimizer is the chosen one, not LARS, and its learning rate
    does not depend on the batch size.

    Args:
        temperature: See `Contrast`.
        chunk_rows: See `Contrast`.
        parts: See `RepresentationMethod`.

    Raises:
        InputError: If a number is out of range.
    """

    def __init__(
        self, *, temperature: float = 0.1, chunk_rows: int | None = None, **parts: Any
    ) -> None:
        super().__init__(**parts)
        self.contrast = Contrast(temperature, chunk_rows)

    def objective(self, seen: Batch, z: Tensor) -> Objective:
        """Compare each row with all others, of all ranks."""
        return self.contrast(seen, z, self.weights)

    def weights(self, clips: Tensor, others: Tensor, labels: Labels, their: Labels) -> Tensor:
        """Return 1 where rows of `clips`, (n,), and `others`, (N,), are of one clip, else 0."""
        return same_clip(clips, others)
