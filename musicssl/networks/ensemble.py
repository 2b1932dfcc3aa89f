"""A moving average of a network's predictions for each clip."""

import torch
from torch import Tensor, nn


class PredictionEnsemble(nn.Module):
    """Keep a moving average of predictions for each clip, corrected for its number of updates.

    Laine and Aila 2017, https://arxiv.org/abs/1610.02242, algorithm 2: Z <- a Z + (1 - a) z, with
    target Z / (1 - a^t) after t epochs. Since a clip may be drawn more than once an epoch, or not
    at all, t is counted for each clip. (The authors' code divides by the sum over classes instead,
    which is correct for a softmax but not for labels that may all be present or absent.)

    The average is not part of the network's `state_dict`; `saved` and `restore` write it to and
    read it from a checkpoint.

    Args:
        num_clips: Number of clips of the corpus, N.
        num_classes: Number of classes, C.
        momentum: a, in [0, 1).
    """

    sums: Tensor
    counts: Tensor

    def __init__(self, num_clips: int, num_classes: int, momentum: float) -> None:
        super().__init__()
        self.momentum = momentum
        self.register_buffer("sums", torch.zeros(num_clips, num_classes), persistent=False)
        counts = torch.zeros(num_clips, dtype=torch.int64)
        self.register_buffer("counts", counts, persistent=False)

    def targets(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return the targets of some clips, (B, C), and whether they have one yet, (B,) bool."""
        counts = self.counts[rows]
        correction = 1 - self.momentum ** counts.clamp_min(1)  # (B,)
        return self.sums[rows] / correction[:, None], counts > 0

    def update(self, rows: Tensor, predictions: Tensor) -> None:
        """Update with predictions, (B, C); those of a clip that occurs repeatedly are averaged."""
        same = rows[:, None] == rows  # (B, B): not `unique`, whose size the host would wait for
        first = same.byte().argmax(dim=1)  # where the clip of each row occurs first, (B,)
        total = self.sums.new_zeros(predictions.shape)
        total.index_add_(0, first, predictions.to(total.dtype))
        mean = total[first] / same.sum(dim=1, keepdim=True)
        # Rows of the same clip write the same values.
        self.sums[rows] = self.momentum * self.sums[rows] + (1 - self.momentum) * mean
        self.counts[rows] = self.counts[rows] + 1

    def saved(self) -> dict[str, Tensor]:
        """Return the state for a checkpoint."""
        return {"sums": self.sums.clone(), "counts": self.counts.clone()}

    def restore(self, saved: dict[str, Tensor]) -> None:
        """Restore the state that `saved` returned."""
        self.sums.copy_(saved["sums"])
        self.counts.copy_(saved["counts"])
