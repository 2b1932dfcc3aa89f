"""`vicreg`: crops of a clip have the same embedding, whose dimensions vary and are uncorrelated."""

from typing import Any

from torch import Tensor

from musicssl.batch import Batch
from musicssl.errors import InputError
from musicssl.losses.vicreg import vicreg_terms
from musicssl.methods.base.representation import Objective, RepresentationMethod
from musicssl.networks.distributed import gathered


class VICReg(RepresentationMethod):
    """Train embeddings so that crops of a clip are similar, without comparing them to other clips.

    Bardes, Ponce and LeCun 2022, https://arxiv.org/abs/2105.04906: crops of a clip get the same
    projection (invariance), while over the clips of a batch every dimension keeps a standard
    deviation of 1 (variance) and no two dimensions correlate (covariance); see
    `musicssl.losses.vicreg`. Labels are not used. In a distributed run the statistics are those of
    all ranks.

    Differences from the paper: the expander has the size of `projector`, whose default is much
    smaller than the paper's three layers of 8,192; the optimizer is the chosen one, not LARS.

    Args:
        num_crops: Crops of each clip in a batch, V; training uses that of the data module.
        invariance_weight: Weight of the mean squared difference of crops.
        variance_weight: Weight of the hinge loss of standard deviations below 1.
        covariance_weight: Weight of the squared covariances of different dimensions.
        parts: See `RepresentationMethod`.

    Raises:
        InputError: If a weight is negative.
    """

    def __init__(
        self,
        *,
        num_crops: int = 2,
        invariance_weight: float = 25.0,
        variance_weight: float = 25.0,
        covariance_weight: float = 1.0,
        **parts: Any,
    ) -> None:
        super().__init__(**parts)
        self.num_crops = num_crops
        self.weights = (invariance_weight, variance_weight, covariance_weight)
        if min(self.weights) < 0:
            raise InputError(
                "method.invariance_weight, variance_weight and covariance_weight must be 0 or "
                f"more, got {invariance_weight:g}, {variance_weight:g} and {covariance_weight:g}."
            )

    def setup(self, stage: str) -> None:
        """Take the number of crops from the data module."""
        super().setup(stage)
        if stage == "fit":
            self.num_crops = self.data.num_crops

    def objective(self, seen: Batch, z: Tensor) -> Objective:
        """Return the weighted sum of the three terms."""
        (z,) = gathered(z)
        terms = vicreg_terms(z.reshape(-1, self.num_crops, z.shape[1]))  # (B, V, P)
        invariance, variance, covariance = self.weights
        loss = (
            invariance * terms.invariance
            + variance * terms.variance
            + covariance * terms.covariance
        )
        return Objective(loss, terms._asdict())
