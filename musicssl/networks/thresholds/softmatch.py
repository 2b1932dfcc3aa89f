"""Weights of pseudo-labels that fall smoothly with their confidence."""

import torch
from torch import Tensor

from musicssl.errors import InputError
from musicssl.networks.thresholds.base import Thresholds, check_momentum, most_probable, weights_of


class SoftMatchWeights(Thresholds):
    """Weigh every prediction by a truncated Gaussian function of its confidence.

    Chen et al. 2023, https://arxiv.org/abs/2301.10921. With mu and sigma^2, the mean and variance
    of the greatest probabilities, the weight of a prediction is

        exp(-(max(p) - mu)^2 / (2 sigma^2)) if max(p) < mu, else 1.

    Both are moving averages that start at 1 / K and 1; the variance of a batch is divided by its
    size less 1. Confidences are those after uniform alignment, p times a uniform distribution over
    the moving average of p, normalised, which starts at 1 / K (in the authors' code at the first
    batch); the class of a pseudo-label is that before alignment. The authors' code divides sigma by
    `num_deviations=2`, their text does not (1).

    In a multi-label corpus each label is a variable with K = 2 and averages of its own. Few classes
    are present in half of the clips, so predictions are aligned to the class prior of the training
    labels there.

    Args:
        num_classes: Number of classes, C.
        momentum: Momentum of the moving averages, in [0, 1); 0.999 in the paper.
        align: Whether confidences are aligned.
        num_deviations: Divisor of sigma in the formula, above 0.
        one_class_per_clip: See `Thresholds`.

    Raises:
        InputError: If a setting is out of range.
    """

    mean: Tensor
    variance: Tensor
    expectation: Tensor

    def __init__(
        self,
        num_classes: int,
        momentum: float = 0.999,
        align: bool = True,
        num_deviations: float = 1.0,
        one_class_per_clip: bool = False,
    ) -> None:
        super().__init__(num_classes, one_class_per_clip)
        self.momentum = check_momentum(momentum)
        self.align = align
        if not num_deviations > 0:
            raise InputError(f"thresholds.num_deviations must be above 0, got {num_deviations:g}.")
        self.num_deviations = num_deviations
        shape = (self.num_variables, self.num_outcomes)
        self.register_buffer("mean", torch.full(shape[:1], 1 / shape[1]))
        self.register_buffer("variance", torch.ones(shape[:1]))
        self.register_buffer("expectation", torch.full(shape, 1 / shape[1]))

    def update(self, scores: Tensor, prior: Tensor, counted: Tensor | None = None) -> None:
        """Update the averages with the predictions on unlabelled clips; see `Thresholds`.

        A batch of one clip has no variance, and leaves that of earlier batches as it is.
        """
        probs = self.outcomes(scores)
        weight, count = weights_of(counted, scores)
        shares = (weight / count.clamp_min(1))[:, None]
        rate = 1 - self.momentum
        self.expectation.lerp_((probs * shares[..., None]).sum(dim=0), rate * (count > 0))
        confidence = self._aligned(probs, prior).amax(dim=2)  # (N, Q)
        mean = (confidence * shares).sum(dim=0)
        squares = ((confidence - mean).square() * weight[:, None]).sum(dim=0)
        self.mean.lerp_(mean, rate * (count > 0))
        self.variance.lerp_(squares / (count - 1).clamp_min(1), rate * (count > 1))

    def weights(self, scores: Tensor, prior: Tensor) -> tuple[Tensor, Tensor]:
        """Return the truncated Gaussian of the confidence; see `Thresholds`."""
        probs = self.outcomes(scores)
        confidence = self._aligned(probs, prior).amax(dim=2)  # (B, Q)
        distance = (confidence - self.mean).clamp_max(0).square()
        scale = 2 * self.variance.clamp_min(1e-12) / self.num_deviations**2
        _, answer = most_probable(probs)
        return self.by_class(answer * (-distance / scale).exp()[..., None])

    def _aligned(self, probs: Tensor, prior: Tensor) -> Tensor:
        """Return probabilities whose average is uniform, or the class prior, (N, Q, K)."""
        if not self.align:
            return probs
        target = torch.full_like(self.expectation, 1 / self.num_outcomes)
        if not self.one_class_per_clip:
            prior = prior.where(prior.isfinite(), self.expectation[:, 0])
            target = torch.stack([prior, 1 - prior], dim=1)
        aligned = probs * target / self.expectation.clamp_min(1e-6)
        return aligned / aligned.sum(dim=2, keepdim=True).clamp_min(1e-12)
