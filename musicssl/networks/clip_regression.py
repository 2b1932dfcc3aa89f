"""Logistic regression on statistics of clips, which predicts together with a network."""

import math

import torch
from torch import Tensor, nn

from musicssl.networks.pooling import Instances
from musicssl.networks.time_summary import over_time

STATISTICS = "mean_std"  # of the instances of a clip; see `over_time`


class ClipRegression(nn.Module):
    """A linear model of mean and deviation of a clip's instances, fitted before training.

    In predictions each logit is the weighted mean of the network's and of this model's logit. In
    training the network learns alone. With few labelled clips such a regression is better than a
    network, with many it is worse, and the mean is better than both, because they make different
    mistakes. So with n labelled clips the share of this model is 1 / (1 + sqrt(n / even_at)). This
    part is ours; docs/results/defaults.md has the measurements.

    Args:
        num_features: Number of features of an instance, F.
        num_classes: Number of classes, C.
        even_at: Number of labelled clips with which it has half of a prediction, above 0.

    Attributes:
        share: Weight of this model's logits in predictions, a scalar; 0 until it is fitted.
    """

    weight: Tensor
    bias: Tensor
    share: Tensor

    def __init__(self, num_features: int, num_classes: int, even_at: float) -> None:
        super().__init__()
        self.even_at = even_at
        # Buffers, because no gradient trains them.
        self.register_buffer("weight", torch.zeros(num_classes, 2 * num_features))
        self.register_buffer("bias", torch.zeros(num_classes))
        self.register_buffer("share", torch.tensor(0.0))

    @torch.no_grad()
    def fit(self, weight: Tensor, bias: Tensor, num_clips: int) -> None:
        """Set the model.

        Args:
            weight: Weights of the statistics, (C, 2 F).
            bias: Biases, (C,).
            num_clips: Number of labelled clips, n.
        """
        self.weight.copy_(weight)
        self.bias.copy_(bias)
        self.share.fill_(self.share_with(num_clips))

    def share_with(self, num_clips: int) -> float:
        """Return the share of this model in predictions with so many labelled clips."""
        return 1 / (1 + math.sqrt(num_clips / self.even_at))

    def forward(self, x: Tensor, valid: Tensor | None = None) -> Tensor:
        """Return the logits of clips, (B, T, F) -> (B, C)."""
        with torch.autocast(x.device.type, enabled=False):  # weights and features can be large
            logits: Tensor = over_time(x.float(), valid, STATISTICS) @ self.weight.T + self.bias
        return logits

    def mixed_with(self, instances: Instances, x: Tensor, valid: Tensor | None = None) -> Instances:
        """Return the network's instances with the share of this model in their logits.

        Args:
            instances: Logits and weights of the network, (B, T', C).
            x: Instances that the network read, (B, T, F).
            valid: Mask of those that are not padding, (B, T) bool; None means all.
        """
        own = self(x, valid)[:, None]  # (B, 1, C)
        return instances._replace(logits=(1 - self.share) * instances.logits + self.share * own)
