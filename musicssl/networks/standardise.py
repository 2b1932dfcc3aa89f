"""Standardisation of features with the statistics of the training clips."""

import torch
from torch import Tensor, nn

_LEAST_DEVIATION = 1e-4  # of a feature that hardly changes; instances are about 1 in size


class Standardise(nn.Module):
    """Subtract from each feature its mean over the training clips, and divide by its deviation.

    The statistics are buffers, so a checkpoint holds them: clips of any other corpus are
    standardised in the same way. Until they are set, features pass unchanged.

    Args:
        num_features: Number of features of an instance, F.
    """

    mean: Tensor
    deviation: Tensor
    is_fitted: Tensor

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(num_features))
        self.register_buffer("deviation", torch.ones(num_features))
        self.register_buffer("is_fitted", torch.tensor(False))

    def fit(self, mean: Tensor, deviation: Tensor) -> None:
        """Set the statistics, unless a checkpoint has brought some.

        Args:
            mean: Of each feature over all instances of the training clips, (F,).
            deviation: The standard deviation of the same, (F,). Features that hardly change are
                divided by 1e-4 instead.
        """
        if bool(self.is_fitted):
            return
        self.mean.copy_(mean)
        self.deviation.copy_(deviation.clamp_min(_LEAST_DEVIATION))
        self.is_fitted.fill_(True)

    def forward(self, x: Tensor) -> Tensor:
        """Standardise instances, (..., F)."""
        return (x - self.mean) / self.deviation


def standardise(num_features: int, wanted: bool) -> nn.Module:
    """Return the first layer of an encoder of instances: `Standardise`, or nothing.

    Args:
        num_features: Number of features of an instance, F.
        wanted: Whether to standardise.
    """
    return Standardise(num_features) if wanted else nn.Identity()
