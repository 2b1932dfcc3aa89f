"""`simclr`: contrastive learning from views alone."""

from typing import Any

from torch import Tensor

from musicssl.batch import Batch
from musicssl.losses.similarity import Labels, same_clip
from musicssl.methods.base.contrast import Contrast
from musicssl.methods.base.representation import Objective, RepresentationMethod


class SimCLR(RepresentationMethod):
    """Tell the crops of a clip from those of all other clips.

    Chen et al. 2020, https://arxiv.org/abs/2002.05709: NT-Xent, equation 1. The target
    similarity of two rows is 1 if they are crops of the same clip: labels are not used. On music,
    with `samplecnn`, it is CLMR: Spijkervet and Burgoyne 2021, https://arxiv.org/abs/2103.09410.

    Where we differ: more than two crops of a clip are each other's positives, as in SupCon's L_out.
    The optimizer is the one that is chosen, not LARS, and its rate does not follow the batch size.

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
        """Return which rows of `clips`, (n,), are of the same clip as those of `others`, (N,)."""
        return same_clip(clips, others)
