"""VICReg: views of a clip agree, while every dimension varies and dimensions are uncorrelated."""

from typing import NamedTuple

import torch
from torch import Tensor


class VICRegTerms(NamedTuple):
    """The three parts of the loss, each a scalar, 0 or more.

    Attributes:
        invariance: Mean squared distance between views of a clip.
        variance: Mean shortfall of the dimensions' standard deviations from 1.
        covariance: Squared covariances between different dimensions.
    """

    invariance: Tensor
    variance: Tensor
    covariance: Tensor


def vicreg_terms(z: Tensor) -> VICRegTerms:
    """Return the three terms, whose weights in VICReg are 25, 25 and 1.

    Bardes, Ponce and LeCun 2022, https://arxiv.org/abs/2105.04906, eq. 1 to 6, scaled as in the
    authors' code, for which these weights are meant: the squared differences of views are averaged
    over dimensions (eq. 5 sums them), the variance is the mean over the views (eq. 6: the sum), and
    the covariance is the sum over two views. With more than two views the invariance is the mean
    over pairs of views, and the covariance twice the mean over views.

    Args:
        z: Projections of V views of B clips, (B, V, P); not normalised. Compared in float32 or
            more, under autocast too.
    """
    z = z.to(torch.promote_types(z.dtype, torch.float32))
    with torch.autocast(z.device.type, enabled=False):
        centred = (z - z.mean(dim=0)).transpose(0, 1)  # (V, B, P)
        covariance = centred.mT @ centred / max(len(z) - 1, 1)  # (V, P, P)
        variances = covariance.diagonal(dim1=1, dim2=2)  # (V, P)
        crossed = covariance - variances.diag_embed()
        return VICRegTerms(
            invariance=2 * z.var(dim=1).mean(),  # the mean of (a - b)^2 over pairs of views
            variance=(1 - (variances + 1e-4).sqrt()).relu().mean(),
            covariance=2 * crossed.square().sum(dim=(1, 2)).mean() / z.shape[2],
        )
