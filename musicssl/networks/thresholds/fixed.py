"""One threshold for all classes."""

from torch import Tensor

from musicssl.errors import InputError
from musicssl.networks.thresholds.base import Thresholds, most_probable


class FixedThreshold(Thresholds):
    """Select predictions whose greatest probability reaches a fixed threshold.

    Sohn et al. 2020, https://arxiv.org/abs/2001.07685, equation 4: max(q_b) >= threshold. In a
    multi-label corpus a class is selected as present from `threshold` on, and as absent up to
    1 - `threshold`. Where positives are rare this selects almost only negatives; see
    `PriorMatchedThresholds`.

    Args:
        num_classes: Number of classes, C.
        threshold: Least probability of a pseudo-label, in (0, 1]; 0.95 in the paper.
        one_class_per_clip: See `Thresholds`.

    Raises:
        InputError: If the threshold is out of range.
    """

    def __init__(
        self, num_classes: int, threshold: float = 0.95, one_class_per_clip: bool = False
    ) -> None:
        super().__init__(num_classes, one_class_per_clip)
        if not 0 < threshold <= 1:
            raise InputError(f"thresholds.threshold must be in (0, 1], got {threshold:g}.")
        self.threshold = threshold

    def update(self, scores: Tensor, prior: Tensor, counted: Tensor | None = None) -> None:
        """Do nothing: the threshold is fixed."""

    def weights(self, scores: Tensor, prior: Tensor) -> tuple[Tensor, Tensor]:
        """Return weights 1 for confident predictions; see `Thresholds`."""
        confidence, answer = most_probable(self.outcomes(scores))
        return self.by_class(answer * (confidence >= self.threshold)[..., None])
