"""The batch: the only contract between data and methods.

A label is a value and a mask. `y` holds the value of every class, `mask` says which of them were
observed; an unlabelled clip is a row whose mask is all False. "Missing" is never written into `y`.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor


class Batch(NamedTuple):
    """A batch of clips with their labels (B clips, T instances, F features, C classes).

    Attributes:
        x: Instances, (B, T, F) float32, or samples of sound in [-1, 1], (B, S) float32, or tokens,
            (B, T) int64; values beyond a clip's length are padding and may be anything.
        y: Targets in [0, 1], (B, C) float32, any real numbers in a regression; arbitrary where
            `mask` is False.
        mask: True where the target was observed, (B, C) bool.
        lengths: Number of valid instances or samples of each clip, (B,) int64, or None if all T or
            S are valid.
        rows: Index of each clip in the corpus, (B,) int64, or None for clips of no corpus.
        activity: True where the class is active in the instance, (B, T, C) bool, for methods that
            learn from strong labels.
        teacher: Outputs of a teacher for each clip, an embedding or logits, (B, E) float32, for
            methods that learn from one; arbitrary where `teacher_mask` is False.
        teacher_mask: True for clips for which there are outputs of the teacher, (B,) bool; None if
            there are for all.
    """

    x: Tensor
    y: Tensor
    mask: Tensor
    lengths: Tensor | None = None
    rows: Tensor | None = None
    activity: Tensor | None = None
    teacher: Tensor | None = None
    teacher_mask: Tensor | None = None

    @property
    def is_tokens(self) -> bool:
        """Whether the clips are rows of tokens, instead of instances or sound."""
        return not self.x.is_floating_point()

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on a device; tensors that are already there are not copied."""
        parts = (None if part is None else part.to(device, non_blocking=True) for part in self)
        return Batch(*parts)  # type: ignore[arg-type]

    def select(self, clips: Tensor) -> "Batch":
        """Return a part of the clips, selected by a mask, (B,) bool, or by indices, (N,)."""
        return Batch(*(None if part is None else part[clips] for part in self))  # type: ignore[arg-type]

    def join(self, other: "Batch") -> "Batch":
        """Return the clips of this batch followed by those of `other`."""
        pairs = zip(self, other, strict=True)
        return Batch(*(None if a is None or b is None else torch.cat([a, b]) for a, b in pairs))  # type: ignore[arg-type]

    def augmented(self, augment: Callable[[Tensor, Tensor | None], Tensor]) -> "Batch":
        """Return the batch with `x` replaced by `augment(x, lengths)`."""
        return self._replace(x=augment(self.x, self.lengths))


def valid_instances(lengths: Tensor, num_instances: int) -> Tensor:
    """Return the mask of instances that are not padding, (B, T) bool, from lengths, (B,).

    >>> valid_instances(torch.tensor([1, 3]), 3).tolist()
    [[True, False, False], [True, True, True]]
    """
    return torch.arange(num_instances, device=lengths.device) < lengths[:, None]
