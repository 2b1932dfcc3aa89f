"""Standardisation of features with the statistics of the training clips."""

import torch
from torch import Tensor, nn

_LEAST_DEVIATION = 0.01  # of a feature that hardly changes, as a fraction of the median feature's
_MOST = 10.0  # deviations from the mean


class Standardise(nn.Module):
    """Subtract from each feature its mean over the training clips, and divide by its deviation.

    A band that was silent in all training clips says little in a recording in which it is not:
    values are cut off at ten deviations. The statistics are buffers, so a checkpoint holds them:
    clips of any other corpus are standardised in the same way. Until they are set, features pass
    unchanged.

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
                divided by a hundredth of the median of all features.
        """
        if bool(self.is_fitted):
            return
        self.mean.copy_(mean)
        least = _LEAST_DEVIATION * float(deviation.median())
        self.deviation.copy_(deviation.clamp_min(least if least > 0 else 1.0))
        self.is_fitted.fill_(True)

    def forward(self, x: Tensor) -> Tensor:
        """Standardise instances, (..., F)."""
        standardised = ((x - self.mean) / self.deviation).clamp(-_MOST, _MOST)
        return torch.where(self.is_fitted, standardised, x)  # not `if`, for graphs


def standardise(num_features: int, wanted: bool) -> nn.Module:
    """Return the first layer of an encoder of instances: `Standardise`, or nothing.

    Args:
        num_features: Number of features of an instance, F.
        wanted: Whether to standardise.
    """
    return Standardise(num_features) if wanted else nn.Identity()
