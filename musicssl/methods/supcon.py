"""`supcon`: contrastive learning from labelled clips alone."""

from typing import Any, ClassVar

from torch import Tensor

from musicssl.batch import Batch
from musicssl.data.needs import Needs
from musicssl.losses.similarity import Labels, Similarity, same_clip, union
from musicssl.methods.base.contrast import Contrast, label_similarity
from musicssl.methods.base.representation import Objective, RepresentationMethod


class SupCon(RepresentationMethod):
    """Train embeddings so that clips with similar labels, and the crops of each, are similar.

    Khosla et al. 2020, https://arxiv.org/abs/2004.11362, equation 2, L_out. It has the loss of
    `SemiSupCon` on batches of labelled clips only; the difference between the two methods is the
    benefit of unlabelled audio.

    Differences from the paper: its clips have one class each; for clips of several classes, and for
    regression, `similarity` compares labels. The paper trains its linear classifier by gradient
    descent afterwards; ours is the linear probe that evaluates all methods of this kind.
    SupContrast's code multiplies the loss by temperature / 0.07.

    Args:
        similarity: See `SemiSupCon`.
        temperature: See `Contrast`.
        chunk_rows: See `Contrast`.
        parts: See `RepresentationMethod`.

    Raises:
        InputError: If the similarity is for another kind of targets, or a number is out of range.
    """

    needs: ClassVar[Needs] = Needs(labels=False, only_labelled=True, crops=2)

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
