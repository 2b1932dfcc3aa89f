"""A threshold relative to the confidence on labelled clips."""

import torch
from torch import Tensor

from musicssl.errors import InputError
from musicssl.networks.thresholds.base import Thresholds, check_momentum, most_probable, weights_of


class AdaMatchThreshold(Thresholds):
    """Select predictions that are nearly as confident as those on labelled clips.

    The relative confidence threshold of AdaMatch, Berthelot et al. 2022,
    https://arxiv.org/abs/2106.04732, section 3: `share` times the mean of the greatest
    probabilities on the weak views of the labelled clips of a batch. With `method.alignment=0` the
    distribution alignment of the paper is added. Its random interpolation of logits, which is for
    labelled and unlabelled clips of different domains, is not part of it.

    Until a labelled clip was seen the mean is 1. Clips count as labelled whose classes are all
    known: in a corpus without such clips the threshold stays at `share`. In a multi-label corpus
    each label is a variable with two outcomes and a mean of its own.

    Args:
        num_classes: Number of classes, C.
        share: Threshold over the mean confidence, in (0, 1]; 0.9 in the paper.
        momentum: Momentum of that mean over batches, in [0, 1); 0 in the paper.
        one_class_per_clip: See `Thresholds`.

    Raises:
        InputError: If a setting is out of range.
    """

    confidence: Tensor
    num_updates: Tensor

    def __init__(
        self,
        num_classes: int,
        share: float = 0.9,
        momentum: float = 0.0,
        one_class_per_clip: bool = False,
    ) -> None:
        super().__init__(num_classes, one_class_per_clip)
        if not 0 < share <= 1:
            raise InputError(f"thresholds.share must be in (0, 1], got {share:g}.")
        self.share = share
        self.momentum = check_momentum(momentum)
        self.register_buffer("confidence", torch.ones(self.num_variables))
        self.register_buffer("num_updates", torch.zeros((), dtype=torch.int64))

    def update(self, scores: Tensor, prior: Tensor, counted: Tensor | None = None) -> None:
        """Update the mean confidence with the labelled clips, those not counted in `Thresholds`."""
        if counted is None:
            return
        weight, count = weights_of(~counted, scores)
        confidence = self.outcomes(scores).amax(dim=2)  # (N, Q)
        mean = (confidence * weight[:, None]).sum(dim=0) / count.clamp_min(1)
        keep = torch.where(self.num_updates > 0, self.momentum, 0.0)  # start at the first batch
        self.confidence.lerp_(mean, (1 - keep) * (count > 0))
        self.num_updates += count > 0

    def weights(self, scores: Tensor, prior: Tensor) -> tuple[Tensor, Tensor]:
        """Return weights 1 for predictions that reach the threshold; see `Thresholds`."""
        confidence, answer = most_probable(self.outcomes(scores))
        selected = confidence >= self.share * self.confidence  # (B, Q)
        return self.by_class(answer * selected[..., None])
