"""Measures of embeddings that show whether a representation has collapsed.

All are computed in float32 without gradient, and are finite on collapsed input.
"""

import math

import torch
from torch import Tensor

from musicssl.losses.contrastive import unit_vectors

MAX_ROWS = 1024  # enough for a stable value, few enough to be cheap


@torch.no_grad()
def alignment(z: Tensor, rows: Tensor) -> Tensor:
    """Return the mean squared distance between unit vectors of rows of the same clip.

    Wang and Isola 2020, https://arxiv.org/abs/2005.10242, section 4.1, alpha = 2: 0 if crops of a
    clip coincide, 2 if they are as different as crops of different clips. At most the first 1,024
    rows are used.

    Args:
        z: Projections, (N, P).
        rows: Clip of each projection, (N,).

    Returns:
        Scalar in [0, 4]; NaN if no clip occurs twice.
    """
    rows = rows[:MAX_ROWS]
    pairs = (rows[:, None] == rows).triu_(diagonal=1)
    return (_squared_distances(z) * pairs).sum() / pairs.sum()


@torch.no_grad()
def uniformity(z: Tensor) -> Tensor:
    """Return the logarithm of the mean of exp(-2 d^2), d the distances between unit vectors.

    Wang and Isola 2020, section 4.1, t = 2: 0 if all rows coincide, about -4 if they cover a sphere
    of many dimensions. At most the first 1,024 rows are used.

    Args:
        z: Projections, (N, P), two or more.
    """
    distances = _squared_distances(z)
    distances.fill_diagonal_(math.inf)  # exclude the distance of a row from itself
    count = len(distances)
    return (-2 * distances).flatten().logsumexp(dim=0) - math.log(count * (count - 1))


@torch.no_grad()
def effective_rank(h: Tensor) -> Tensor:
    """Return the number of dimensions in which embeddings vary.

    The exponential of the entropy of the normalised singular values: Roy and Vetterli 2007
    (EUSIPCO, "The effective rank"), definition 1, of the centred embeddings. It is 1 if all of them
    lie on a line, or are equal up to rounding.

    Args:
        h: Embeddings, (N, D).

    Returns:
        Scalar, 1 to min(N, D); NaN if an embedding is not finite.
    """
    h = h.float()
    if not h.isfinite().all():
        return h.new_tensor(math.nan)
    values = torch.linalg.svdvals(h - h.mean(dim=0))
    rounding = torch.finfo(h.dtype).eps * torch.linalg.matrix_norm(h)
    shares = values.where(values > rounding, 0)
    shares = shares / shares.sum().clamp_min(torch.finfo(h.dtype).tiny)
    entropy: Tensor = -torch.special.xlogy(shares, shares).sum()
    return entropy.exp()


def _squared_distances(z: Tensor) -> Tensor:
    """Return the squared distances between the first unit vectors, (n, n)."""
    with torch.autocast(z.device.type, enabled=False):
        unit = unit_vectors(z[:MAX_ROWS].float())
        return (2 - 2 * unit @ unit.T).clamp_min_(0)
