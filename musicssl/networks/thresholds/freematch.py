"""Thresholds that follow the confidence of the network, for each class."""

import torch
from torch import Tensor

from musicssl.errors import InputError
from musicssl.networks.distributed import mean_over_ranks
from musicssl.networks.thresholds.base import Thresholds, check_momentum, most_probable, weights_of


class FreeMatchThresholds(Thresholds):
    """Select predictions above a threshold that rises with the confidence of the network.

    The self-adaptive thresholds of Wang et al. 2023, https://arxiv.org/abs/2205.07246. The global
    threshold is the moving average of the greatest probabilities (equation 5), the expectation of
    each class that of its probabilities (equation 6); the threshold of a class is the global one
    times its expectation over the greatest expectation (equation 7). Predictions above the
    threshold of their class are selected (equation 8). All averages start at 1 / K, as in the text;
    the authors' code starts them at 1, and selects predictions that equal their threshold.

    The self-adaptive fairness of the paper (equations 9 to 11) is a loss of its own, `fairness`
    times -H[SumNorm(p / h), SumNorm(p' / h')]: p is the expectation of each class and h the moving
    average of how often it is predicted, p' and h' are the mean prediction and the histogram of the
    strong views of the selected clips of a batch. A class that none of these is predicted to be has
    a quotient of 0, as in the code. It asks for equally frequent classes, and is for corpora with
    one class per clip. In the paper its weight over that of the pseudo-labels is 0.05 or 0.01.

    In a multi-label corpus each label is a variable with K = 2 and an average of its own. The
    outcome that is rarer among the predictions has the lower threshold.

    Args:
        num_classes: Number of classes, C.
        momentum: Momentum of the moving averages, in [0, 1); 0.999 in the paper.
        fairness: Weight of the fairness loss, 0 or more.
        one_class_per_clip: See `Thresholds`.

    Raises:
        InputError: If a setting is out of range, or fairness is asked for where a clip may have
            several classes.
    """

    confidence: Tensor
    expectation: Tensor
    histogram: Tensor

    def __init__(
        self,
        num_classes: int,
        momentum: float = 0.999,
        fairness: float = 0.0,
        one_class_per_clip: bool = False,
    ) -> None:
        super().__init__(num_classes, one_class_per_clip)
        if fairness < 0 or (fairness > 0 and not one_class_per_clip):
            raise InputError(
                "thresholds.fairness must be 0 or more, and 0 where clips may have several "
                f"classes, got {fairness:g}."
            )
        self.fairness = fairness
        self.momentum = check_momentum(momentum)
        shape = (self.num_variables, self.num_outcomes)
        self.register_buffer("confidence", torch.full(shape[:1], 1 / shape[1]))
        self.register_buffer("expectation", torch.full(shape, 1 / shape[1]))
        if fairness > 0:
            self.register_buffer("histogram", torch.full(shape, 1 / shape[1]))

    def update(self, scores: Tensor, prior: Tensor, counted: Tensor | None = None) -> None:
        """Update the averages with the predictions on unlabelled clips; see `Thresholds`."""
        probs = self.outcomes(scores)
        weight, count = weights_of(counted, scores)
        share = (1 - self.momentum) * (count > 0)
        shares = (weight / count.clamp_min(1))[:, None]
        confidence, answer = most_probable(probs)
        self.confidence.lerp_((confidence * shares).sum(dim=0), share)
        if self.fairness > 0:
            self.histogram.lerp_((answer * shares[..., None]).sum(dim=0), share)
        self.expectation.lerp_((probs * shares[..., None]).sum(dim=0), share)

    def weights(self, scores: Tensor, prior: Tensor) -> tuple[Tensor, Tensor]:
        """Return weights 1 for predictions above the threshold of their class; see `Thresholds`."""
        confidence, answer = most_probable(self.outcomes(scores))
        share = self.expectation / self.expectation.amax(dim=1, keepdim=True)
        threshold = (answer * share).sum(dim=2) * self.confidence  # (B, Q)
        return self.by_class(answer * (confidence > threshold)[..., None])

    def penalty(self, logits: Tensor, selected: Tensor) -> Tensor:
        """Return the fairness loss of the strong views, equation 11; see `Thresholds`.

        It is 0 where no clip of the batch is selected.
        """
        if self.fairness == 0:
            return super().penalty(logits, selected)
        probs = logits.float().softmax(dim=1)
        _, answer = most_probable(probs[:, None])
        chosen = (selected > 0).to(probs)[:, None]
        mean = mean_over_ranks((chosen * probs).sum(dim=0))  # of the batch; the scale cancels out
        counts = mean_over_ranks((chosen * answer[:, 0]).sum(dim=0))
        frequent = _sum_norm(self.expectation[0] / self.histogram[0].clamp_min(1e-12))
        seen = counts > 0
        ratio = _sum_norm((mean / counts.where(seen, 1)).where(seen, 0))
        return self.fairness * seen.any() * (frequent * (ratio + 1e-12).log()).sum()


def _sum_norm(x: Tensor) -> Tensor:
    return x / x.sum().clamp_min(1e-12)
