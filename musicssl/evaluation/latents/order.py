"""How well one latent dimension gives the order, or the value, of an attribute: AR-VAE's measures.

Pati and Lerch 2021, "Attribute-based regularization of latent spaces for variational
auto-encoders", https://arxiv.org/abs/2004.05485, section 5.1, with the authors' code.
"""

from collections.abc import Sequence

import numpy as np
from scipy.stats import rankdata
from scipy.stats import t as student

from musicssl.evaluation.latents.estimators import Floats
from musicssl.evaluation.latents.information import Bools, checked, usable
from musicssl.evaluation.latents.separability import squared_correlations

_SIGNIFICANT = 0.05  # largest p-value of a correlation that counts


def scc(z: Floats, attributes: Floats, mask: Bools | None = None) -> Floats:
    """Return Spearman's correlation coefficient of each attribute, (M,).

    The largest absolute rank correlation with any latent dimension, of those with a two-sided
    p-value of 0.05 at most; 0 if there is none. It is 1 if the order along a dimension is that of
    the attribute, or the reverse.

    Args:
        z: Latent variables of clips, (N, D).
        attributes: (N, M).
        mask: True where observed, (N, M); None if all are.

    Returns:
        Values in [0, 1]; NaN for an attribute that is constant, or observed too seldom.

    Raises:
        InputError: See `measure_information`.
    """
    found = np.full(attributes.shape[1], np.nan)
    for i, rows in enumerate(usable(attributes, checked(z, attributes, mask)).T):
        if rows.any():
            squares = squared_correlations(
                rankdata(z[rows], axis=0), rankdata(attributes[rows, i]).astype(np.float64)
            )
            found[i] = np.sqrt(
                squares[_p_values(squares, int(rows.sum())) <= _SIGNIFICANT].max(initial=0)
            )
    return found


def interpretability(
    z: Floats,
    attributes: Floats,
    dimensions: Sequence[int | None],
    mask: Bools | None = None,
) -> Floats:
    """Return R^2 of a linear regression of each attribute on one latent dimension, (M,).

    Args:
        z: Latent variables of clips, (N, D).
        attributes: (N, M).
        dimensions: Dimension that tells most about each attribute, (M); None where there is none.
        mask: True where observed, (N, M); None if all are.

    Returns:
        Values in [0, 1]; NaN without a dimension, or as for `scc`.

    Raises:
        InputError: See `measure_information`.
    """
    found = np.full(attributes.shape[1], np.nan)
    for i, rows in enumerate(usable(attributes, checked(z, attributes, mask)).T):
        d = dimensions[i]
        if rows.any() and d is not None:
            values = attributes[rows, i].astype(np.float64)
            found[i] = squared_correlations(z[rows, d, None].astype(np.float64), values)[0]
    return found


def _p_values(squares: Floats, clips: int) -> Floats:
    """Return two-sided p-values of correlations by their squares, from Student's t distribution."""
    freedom = clips - 2
    with np.errstate(divide="ignore"):
        statistic = np.sqrt(squares * freedom / np.maximum(1 - squares, 0))
    p_values: Floats = 2 * student.sf(statistic, freedom)
    return p_values
