"""Measures of disentanglement from mutual information: MIG, DMIG, XMIG, DLIG, modularity.

All follow from one `Information`, so that nothing is estimated twice. Formulas are those of
latte-metrics (Watcharasupat et al. 2021, https://arxiv.org/abs/2112.10638). `dimensions` names for
each attribute the latent dimension d_i that is meant to encode it, or None; the measures of
attributes without one are NaN.
"""

from collections.abc import Sequence

import numpy as np

from musicssl.evaluation.latents.estimators import Floats
from musicssl.evaluation.latents.information import Information

Dimensions = Sequence[int | None]

_LEAST_INFORMATION = 1e-12  # nats, below which a dimension tells nothing


def mig(information: Information, dimensions: Dimensions | None = None) -> Floats:
    """Return the mutual information gap of each attribute, (M,).

    (I(a_i; z_d) - max over n != d of I(a_i; z_n)) / H(a_i), where d is the dimension that tells
    most, or d_i; the gap is negative if another dimension tells more than d_i. Chen et al. 2018,
    https://arxiv.org/abs/1802.04942, section 4.1.
    """
    chosen = information.most_informative() if dimensions is None else dimensions
    gaps = [gap(column, d)[0] for column, d in zip(information.latents.T, chosen, strict=True)]
    return _ratios(gaps, information.entropies)


def dmig(information: Information, dimensions: Dimensions) -> Floats:
    """Return the dependency-aware mutual information gap of each attribute, (M,).

    As MIG with d_i, but over H(a_i | a_k) if the best other dimension is that of attribute k: what
    attributes share does not count against a dimension. Watcharasupat and Lerch 2021,
    https://arxiv.org/abs/2110.05587. The first attribute counts if
    it is the dimension of several.
    """
    gaps, entropies = [], []
    for i, dimension in enumerate(dimensions):
        ahead, rival = gap(information.latents[:, i], dimension)
        owners = [k for k, d in enumerate(dimensions) if d == rival and k != i and d is not None]
        gaps.append(ahead)
        entropies.append(
            information.entropy_given(i, owners[0]) if owners else information.entropies[i]
        )
    return _ratios(gaps, entropies)


def xmig(information: Information, dimensions: Dimensions) -> Floats:
    """Return XMIG of each attribute, (M,), a gap that other attributes' dimensions do not count in.

    As MIG with d_i, the other dimensions being only those that encode no attribute; NaN if there
    are none. Watcharasupat 2021, see `dlig`.
    """
    free = np.setdiff1d(
        np.arange(len(information.latents)), [d for d in dimensions if d is not None]
    )
    gaps = [
        np.nan if d is None or not len(free) else column[d] - column[free].max()
        for column, d in zip(information.latents.T, dimensions, strict=True)
    ]
    return _ratios(gaps, information.entropies)


def dlig(information: Information, dimensions: Dimensions) -> Floats:
    """Return the dependency-aware latent information gap of each attribute, (M,).

    (I(a_i; z_d) - max over k != i of I(a_k; z_d)) / H(a_i | a_k) with d = d_i and k the
    attribute of that maximum: does the dimension tell of its attribute alone? NaN with a single
    attribute. Watcharasupat 2021, "Controllable Music: Supervised Learning of
    Disentangled Representations for Music Generation".
    """
    gaps, entropies = [], []
    for i, dimension in enumerate(dimensions):
        row = None if dimension is None else information.latents[dimension]
        ahead, rival = (np.nan, None) if row is None else gap(row, i)
        gaps.append(ahead)
        entropies.append(np.nan if rival is None else information.entropy_given(i, rival))
    return _ratios(gaps, entropies)


def modularity(information: Information) -> Floats:
    """Return the modularity of each latent dimension, (D,).

    1 - (sum over i of I_di^2 - max_i I_di^2) / ((M - 1) max_i I_di^2): 1 if a dimension tells
    of one attribute only, 0 if it tells as much of all, or nothing. Ridgeway and Mozer 2018,
    https://arxiv.org/abs/1802.05312, section 3. Attributes without information are left out; NaN
    with fewer than two. In dimensions that tell next to nothing it measures the estimator's noise.
    """
    known = information.latents[:, ~np.isnan(information.latents).any(axis=0)]
    if known.shape[1] < 2:
        return np.full(len(known), np.nan)
    squares = known**2
    greatest = squares.max(axis=1)
    tells = greatest >= _LEAST_INFORMATION**2
    others = (squares.sum(axis=1) - greatest) / np.where(tells, greatest, 1)
    return np.where(tells, 1 - others / (known.shape[1] - 1), 0.0)


def gap(scores: Floats, own: int | None) -> tuple[float, int | None]:
    """Subtract the best of the other known scores from a score; return the gap and its column."""
    if own is None or np.isnan(scores[own]):
        return np.nan, None
    others = np.where(np.arange(len(scores)) == own, np.nan, scores)
    if np.isnan(others).all():
        return np.nan, None
    rival = int(np.nanargmax(others))
    return float(scores[own] - scores[rival]), rival


def _ratios(gaps: Sequence[float], entropies: Sequence[float] | Floats) -> Floats:
    """Divide gaps by entropies; NaN where there is no entropy."""
    over = np.asarray(entropies, float)
    return np.asarray(gaps, float) / np.where(over > _LEAST_INFORMATION, over, np.nan)
