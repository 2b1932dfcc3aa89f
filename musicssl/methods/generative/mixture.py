"""A learnt mixture of Gaussians as a prior, and its initialisation."""

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

_MIN_VARIANCE = 1e-3  # added to the variances, so that no component shrinks to a single clip
_NUM_STARTS = 10  # of expectation maximisation; the best is kept


class MixturePrior(nn.Module):
    """p(c) and p(z|c): K Gaussians with diagonal covariances.

    Weights are a softmax of free logits, so that they stay on the simplex; variances are learnt as
    logarithms. All components start as standard Gaussians; `take` sets other parameters.

    Args:
        num_components: Number of components, K.
        latent_dim: Number of latent variables, Z.
        equal: Whether all components are and stay equally probable.
    """

    def __init__(self, num_components: int, latent_dim: int, equal: bool = False) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(num_components), requires_grad=not equal)
        self.means = nn.Parameter(torch.zeros(num_components, latent_dim))
        self.log_variances = nn.Parameter(torch.zeros(num_components, latent_dim))

    def forward(self) -> Mixture:
        """Return the mixture with the current parameters."""
        return Mixture(self.logits.log_softmax(dim=0), self.means, self.log_variances)

    @torch.no_grad()
    def take(self, mixture: Mixture) -> None:
        """Copy the parameters of another mixture of the same size, those that may change."""
        for parameter, value in zip(self.parameters(), mixture, strict=True):
            if parameter.requires_grad:
                parameter.copy_(value)


def fit_mixture(
    h: Tensor, num_components: int, seed: int, classes: Tensor | None = None
) -> Mixture:
    """Fit a mixture to embeddings by expectation maximisation, on the CPU.

    This is scikit-learn's `GaussianMixture` with 1e-3 added to each variance. Of ten starts with
    k-means++ the one with the greatest likelihood is kept; scikit-learn's default, k-means, adds in
    the order in which threads finish, so that the last bits differ from run to run. With classes
    there is a single start: one component for each class with the mean of its embeddings, and with
    the same variances, those within classes, and the same weight for all.

    Args:
        h: Embeddings, (N, Z).
        num_components: Number of components, K, at most N.
        seed: Seed of the starts.
        classes: The class of each embedding, (N,) int64 below K, each at least once; -1 if it was
            not observed.

    Raises:
        InputError: If an embedding is not finite.
    """
    if not h.isfinite().all():
        raise InputError(
            "an embedding of a training clip is not finite, because training diverged; lower "
            "optimizer.lr."
        )
    points = h.double().cpu().numpy()
    start = {} if classes is None else _start(points, classes.cpu().numpy(), num_components)
    model = GaussianMixture(
        num_components,
        covariance_type="diag",
        reg_covar=_MIN_VARIANCE,
        n_init=1 if start else _NUM_STARTS,
        init_params="k-means++",
        random_state=seed,
        **start,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # training continues from here anyway
        model.fit(points)
    fitted = (np.log(model.weights_), model.means_, np.log(model.covariances_))
    return Mixture(*(torch.from_numpy(values).float() for values in fitted))


def _start(
    points: NDArray[np.float64], classes: NDArray[np.int64], num_components: int
) -> dict[str, Any]:
    """Return initial weights, means and precisions, one component for each class.

    All three are needed: scikit-learn would compute missing ones from its own clusters, whose order
    is different.
    """
    labelled = classes >= 0
    means = np.stack([points[classes == c].mean(axis=0) for c in range(num_components)])
    within = (points[labelled] - means[classes[labelled]]).var(axis=0) + _MIN_VARIANCE
    return {
        "weights_init": np.full(num_components, 1 / num_components),
        "means_init": means,
        "precisions_init": np.tile(1 / within, (num_components, 1)),
    }
