"""What a network has said of each clip so far, averaged."""

import torch
from torch import Tensor, nn


class PredictionEnsemble(nn.Module):
    """Keep a moving average of predictions for each clip, corrected for how often it was seen.

    Laine and Aila 2017, https://arxiv.org/abs/1610.02242, algorithm 2: Z <- a Z + (1 - a) z, with
    target Z / (1 - a^t) after t epochs. A clip that is drawn more than once an epoch, or not yet,
    has a count of its own here in the place of t. (The authors' code does it by dividing by the sum
    over classes, which holds for a softmax and not for labels that may all be present or absent.)

    The average is no part of the network: it is left out of its `state_dict`, and
    `saved` and `restore` carry it through a checkpoint.

    Args:
        num_clips: Clips of the corpus, N.
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
        """Return the target of some clips, (B, C), and whether they have one yet, (B,) bool."""
        counts = self.counts[rows]
        known = counts > 0
        correction = 1 - self.momentum ** counts.clamp_min(1)  # (B,)
        return self.sums[rows] / correction[:, None], known

    def update(self, rows: Tensor, predictions: Tensor) -> None:
        """Take in predictions, (B, C); those of a clip that occurs more than once are averaged."""
        clips, places = rows.unique(return_inverse=True)  # type: ignore[no-untyped-call]
        total = self.sums.new_zeros(len(clips), self.sums.shape[1])
        total.index_add_(0, places, predictions.to(total.dtype))
        mean = total / torch.bincount(places)[:, None]
        self.sums[clips] = self.momentum * self.sums[clips] + (1 - self.momentum) * mean
        self.counts[clips] += 1

    def saved(self) -> dict[str, Tensor]:
        """Return what a checkpoint must hold to go on."""
        return {"sums": self.sums.clone(), "counts": self.counts.clone()}

    def restore(self, saved: dict[str, Tensor]) -> None:
        """Take up what `saved` returned."""
        self.sums.copy_(saved["sums"])
        self.counts.copy_(saved["counts"])
