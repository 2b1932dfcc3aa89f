"""When to trust a prediction as a label: thresholds for each class that match its prior."""

import torch
from torch import Tensor, nn

from musicssl.errors import InputError


class PriorMatchedThresholds(nn.Module):
    """Trust the most confident predictions of each class, as many as its prior says there are.

    One pair of thresholds for all classes, such as 0.95 and 0.05, selects hardly any but negatives
    where labels are rare, and recall collapses. Here a class with prior r has its thresholds where
    a share r * `share` of recent predictions lies above the upper one, and a share
    (1 - r) * `share` below the lower one: positives and negatives are trusted in the proportion in
    which they occur, for each class. The quantiles are moving averages over batches.

    Args:
        num_classes: Number of classes, C.
        share: Of the clips of either kind that are to be trusted, in (0, 1].
        momentum: Of the moving average of quantiles, in [0, 1).

    Raises:
        InputError: If a setting is out of range.
    """

    upper: Tensor
    lower: Tensor
    num_updates: Tensor

    def __init__(self, num_classes: int, share: float = 0.5, momentum: float = 0.9) -> None:
        super().__init__()
        if not 0 < share <= 1:
            raise InputError(f"method.thresholds.share must be in (0, 1], got {share:g}.")
        if not 0 <= momentum < 1:
            raise InputError(f"method.thresholds.momentum must be in [0, 1), got {momentum:g}.")
        self.share = share
        self.momentum = momentum
        self.register_buffer("upper", torch.zeros(num_classes))
        self.register_buffer("lower", torch.zeros(num_classes))
        self.register_buffer("num_updates", torch.zeros((), dtype=torch.int64))

    def update(self, probs: Tensor, prior: Tensor) -> None:
        """Follow the predictions of a batch, (B, C), given the classes' prior, (C,).

        The prior of a class that was never observed is NaN, and its thresholds mean nothing.
        """
        prior = prior.nan_to_num(0.5)
        ordered = probs.float().sort(dim=0).values  # (B, C)
        upper = _quantile(ordered, 1 - self.share * prior)
        lower = _quantile(ordered, self.share * (1 - prior))
        keep = torch.where(self.num_updates > 0, self.momentum, 0.0)  # the first batch counts whole
        self.upper.lerp_(upper, 1 - keep)
        self.lower.lerp_(lower, 1 - keep)
        self.num_updates += 1

    def select(self, probs: Tensor, prior: Tensor) -> tuple[Tensor, Tensor]:
        """Return which predictions count as present and which as absent, (B, C) bool each.

        A class of which only one value was ever observed is trusted in that value alone, a class
        that was never observed in none.
        """
        present = (probs >= self.upper) & (prior > 0)
        return present, (probs <= self.lower) & (prior < 1) & ~present


def _quantile(ordered: Tensor, level: Tensor) -> Tensor:
    """Return a quantile of each column of ordered values, (B, C), at its own level, (C,)."""
    place = (level * (len(ordered) - 1)).clamp(0, len(ordered) - 1)  # (C,)
    below = place.floor().long()
    above = (below + 1).clamp_max(len(ordered) - 1)
    low, high = (ordered.gather(0, index[None])[0] for index in (below, above))
    return low + (place - below) * (high - low)
