"""A mixture of Gaussians as a prior that is learnt, and where it starts."""

import warnings
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from torch import Tensor, nn

from musicssl.errors import InputError
from musicssl.losses.vade import Mixture

_LEAST_VARIANCE = 1e-3  # added to every variance of a start, that no component shrinks to a clip
_STARTS = 10  # of expectation maximisation, of which the best is kept


class MixturePrior(nn.Module):
    """p(c) and p(z|c): K Gaussians with diagonal covariances.

    Weights are a softmax of free logits, so that they stay on the simplex; variances are learnt as
    logarithms. All components begin alike, as standard Gaussians, until `take` tells them apart.

    Args:
        num_components: K.
        latent_dim: Z.
    """

    def __init__(self, num_components: int, latent_dim: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(num_components))
        self.means = nn.Parameter(torch.zeros(num_components, latent_dim))
        self.log_variances = nn.Parameter(torch.zeros(num_components, latent_dim))

    def forward(self) -> Mixture:
        """Return the mixture as it is now."""
        return Mixture(self.logits.log_softmax(dim=0), self.means, self.log_variances)

    @torch.no_grad()
    def take(self, mixture: Mixture) -> None:
        """Become another mixture of the same size."""
        for mine, value in zip(self.parameters(), mixture, strict=True):
            mine.copy_(value)


def fit_mixture(
    h: Tensor, num_components: int, seed: int, classes: Tensor | None = None
) -> Mixture:
    """Fit a mixture to embeddings by expectation maximisation, on the CPU.

    It is scikit-learn's, with 1e-3 added to each variance. Of ten starts with k-means++ the one of
    the greatest likelihood is kept; scikit-learn's own choice, k-means, adds in the order in which
    threads finish, and differs in the last bits from run to run. Where some classes are known
    there is one start: a component for each class, with the mean of its embeddings, all with the
    variances within classes, and of equal weight.

    Args:
        h: Embeddings, (N, Z).
        num_components: K, at most N.
        seed: Of the starts.
        classes: The class of each embedding, (N,) int64 below K, each at least once; -1 where it is
            not known.

    Raises:
        InputError: If an embedding is not finite.
    """
    if not h.isfinite().all():
        raise InputError(
            "an embedding of a training clip is not finite; lower optimizer.lr, for training "
            "diverged."
        )
    points = h.double().cpu().numpy()
    start = {} if classes is None else _start(points, classes.cpu().numpy(), num_components)
    model = GaussianMixture(
        num_components,
        covariance_type="diag",
        reg_covar=_LEAST_VARIANCE,
        n_init=1 if start else _STARTS,
        init_params="k-means++",
        random_state=seed,
        **start,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # training goes on from here anyway
        model.fit(points)
    fitted = (np.log(model.weights_), model.means_, np.log(model.covariances_))
    return Mixture(*(torch.from_numpy(values).float() for values in fitted))


def _start(
    points: NDArray[np.float64], classes: NDArray[np.int64], num_components: int
) -> dict[str, Any]:
    """Return weights, means and precisions; given only means, the rest would be of other clusters.

    scikit-learn takes it from a clustering of its own, whose clusters have an order of their own.
    """
    known = classes >= 0
    means = np.stack([points[classes == c].mean(axis=0) for c in range(num_components)])
    within = (points[known] - means[classes[known]]).var(axis=0) + _LEAST_VARIANCE
    return {
        "weights_init": np.full(num_components, 1 / num_components),
        "means_init": means,
        "precisions_init": np.tile(1 / within, (num_components, 1)),
    }
