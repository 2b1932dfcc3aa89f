"""Thresholds for pseudo-labels that match the prior of each class."""

import math

import torch
from torch import Tensor

from musicssl.errors import InputError
from musicssl.networks.thresholds.base import (
    Thresholds,
    check_momentum,
    most_probable,
    weights_of,
)


class PriorMatchedThresholds(Thresholds):
    """Select the most confident predictions of each class, in proportion to its prior.

    One pair of thresholds for all classes, such as 0.95 and 0.05, selects almost only negatives
    where positives are rare, and recall collapses. Here the thresholds of a class with prior r are
    quantiles of recent predictions: a fraction r * `share` lies above the upper threshold, and a
    fraction (1 - r) * `share` below the lower one, so that positives and negatives are selected in
    the proportion in which they occur. The quantiles are moving averages over batches.

    Args:
        num_classes: Number of classes, C.
        share: Fraction of the predictions of a class that is selected, in (0, 1].
        momentum: Momentum of the moving average of quantiles, in [0, 1).
        one_class_per_clip: See `Thresholds`.

    Raises:
        InputError: If a setting is out of range, or clips have one class each.
    """

    upper: Tensor
    lower: Tensor
    num_updates: Tensor

    def __init__(
        self,
        num_classes: int,
        share: float = 0.5,
        momentum: float = 0.9,
        growth_steps: int = 0,
        one_class_per_clip: bool = False,
    ) -> None:
        super().__init__(num_classes, one_class_per_clip)
        if not 0 < share <= 1:
            raise InputError(f"thresholds.share must be in (0, 1], got {share:g}.")
        if growth_steps < 0:
            raise InputError(f"thresholds.growth_steps must be 0 or more, got {growth_steps}.")
        self.share = share
        self.growth_steps = growth_steps
        self.momentum = check_momentum(momentum)
        self.register_buffer("upper", torch.zeros(num_classes))
        self.register_buffer("lower", torch.zeros(num_classes))
        self.register_buffer("num_updates", torch.zeros((), dtype=torch.int64))

    def update(self, scores: Tensor, prior: Tensor, counted: Tensor | None = None) -> None:
        """Update the thresholds with the predictions on unlabelled clips; see `Thresholds`.

        The prior of a class that was never observed is NaN, and its thresholds are arbitrary.
        """
        prior = prior.nan_to_num(0.5)
        weight, count = weights_of(counted, scores)
        ignored = weight[:, None] == 0
        ordered = scores.float().masked_fill(ignored, math.inf).sort(dim=0).values  # (N, C)
        ordered = ordered.nan_to_num(posinf=0.0)  # behind all others, so that no quantile reads it
        last = (count - 1).clamp_min(0)
        share = self.share * self._grown()
        upper = _quantile(ordered, 1 - share * prior, last)
        lower = _quantile(ordered, share * (1 - prior), last)
        keep = torch.where(self.num_updates > 0, self.momentum, 0.0)  # start at the first batch
        keep = keep.where(count > 0, 1.0)
        self.upper.lerp_(upper, 1 - keep)
        self.lower.lerp_(lower, 1 - keep)
        self.num_updates += count > 0

    def weights(self, scores: Tensor, prior: Tensor) -> tuple[Tensor, Tensor]:
        """Return weights 1 for the predictions that `select` selects; see `Thresholds`."""
        present, absent = self.select(scores, prior)
        if self.one_class_per_clip:
            _, answer = most_probable(self.outcomes(scores))
            return self.by_class(answer * present[:, None])
        return present.to(scores), absent.to(scores)

    def select(self, probs: Tensor, prior: Tensor) -> tuple[Tensor, Tensor]:
        """Return masks of the predictions selected as present and as absent, (B, C) bool each.

        For a class of which only one value was ever observed, only that value is selected; for a
        class that was never observed, nothing is selected.
        """
        present = (probs >= self.upper) & (prior > 0)
        return present, (probs <= self.lower) & (prior < 1) & ~present

    def _grown(self) -> Tensor:
        """Return the factor of the share in the next update, a scalar in (0, 1]."""
        return ((self.num_updates + 1) / max(self.growth_steps, 1)).clamp_max(1.0)


def _quantile(ordered: Tensor, level: Tensor, last: Tensor) -> Tensor:
    """Return a quantile of each column of sorted values.

    Args:
        ordered: The values, (B, C).
        level: Of each column, (C,).
        last: Row of the greatest value, a scalar; rows behind it do not count.
    """
    position = torch.minimum((level * last).clamp_min(0), last)  # (C,)
    below = position.floor().long()
    above = torch.minimum(below + 1, last.long())
    low, high = (ordered.gather(0, index[None])[0] for index in (below, above))
    return low + (position - below) * (high - low)
