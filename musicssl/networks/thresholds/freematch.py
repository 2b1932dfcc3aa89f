"""Thresholds that follow the confidence of the network, for each class."""

import torch
from torch import Tensor

from musicssl.networks.thresholds.base import Thresholds, check_momentum, most_probable, weights_of


class FreeMatchThresholds(Thresholds):
    """Select predictions above a threshold that rises with the confidence of the network.

    The self-adaptive thresholds of Wang et al. 2023, https://arxiv.org/abs/2205.07246. The global
    threshold is the moving average of the greatest probabilities (equation 5), the expectation of
    each class that of its probabilities (equation 6); the threshold of a class is the global one
    times its expectation over the greatest expectation (equation 7). Predictions above the
    threshold of their class are selected (equation 8). All averages start at 1 / K. The fairness
    term of the paper (equations 9 to 11), a loss of its own, is not part of it.

    In a multi-label corpus each label is a variable with K = 2 and an average of its own. The
    outcome that is rarer among the predictions has the lower threshold.

    Args:
        num_classes: Number of classes, C.
        momentum: Momentum of the moving averages, in [0, 1); 0.999 in the paper.
        one_class_per_clip: See `Thresholds`.

    Raises:
        InputError: If the momentum is out of range.
    """

    confidence: Tensor
    expectation: Tensor

    def __init__(
        self, num_classes: int, momentum: float = 0.999, one_class_per_clip: bool = False
    ) -> None:
        super().__init__(num_classes, one_class_per_clip)
        self.momentum = check_momentum(momentum)
        shape = (self.num_variables, self.num_outcomes)
        self.register_buffer("confidence", torch.full(shape[:1], 1 / shape[1]))
        self.register_buffer("expectation", torch.full(shape, 1 / shape[1]))

    def update(self, scores: Tensor, prior: Tensor, counted: Tensor | None = None) -> None:
        """Update the averages with the predictions on unlabelled clips; see `Thresholds`."""
        probs = self.outcomes(scores)
        weight, count = weights_of(counted, scores)
        share = (1 - self.momentum) * (count > 0)
        shares = (weight / count.clamp_min(1))[:, None]
        self.confidence.lerp_((probs.amax(dim=2) * shares).sum(dim=0), share)
        self.expectation.lerp_((probs * shares[..., None]).sum(dim=0), share)

    def weights(self, scores: Tensor, prior: Tensor) -> tuple[Tensor, Tensor]:
        """Return weights 1 for predictions above the threshold of their class; see `Thresholds`."""
        confidence, answer = most_probable(self.outcomes(scores))
        share = self.expectation / self.expectation.amax(dim=1, keepdim=True)
        threshold = (answer * share).sum(dim=2) * self.confidence  # (B, Q)
        return self.by_class(answer * (confidence > threshold)[..., None])
