"""How alike two embeddings of the same clips arrange them: the losses of EAsT.

Both compare relations between the clips of a batch, so that the two embeddings may have any widths
and need no map between them.
"""

import torch
from torch import Tensor
from torch.nn.functional import normalize

_LEAST = 1e-12  # added to squared distances, as published; smallest product of variances
_ROUNDING = 1e-6  # spread of clips below which they are equal, relative to their size


def distance_correlation_loss(x: Tensor, y: Tensor, unbiased: bool = False) -> Tensor:
    """Return one less the squared distance correlation of two embeddings.

    The loss "EAsT" of Ding and Lerch 2023, https://arxiv.org/abs/2306.17424, with the distance
    correlation of Szekely, Rizzo and Bakirov 2007, https://arxiv.org/abs/0803.4101, definitions 2
    to 5. With distances a_ij = ||x_i - x_j|| and A_ij = a_ij - a_i. - a_.j + a_.. (means over rows,
    columns and all), and B of y likewise:

        loss = 1 - mean(A B) / sqrt(mean(A A) mean(B B))

    It is 0 if one embedding is a similarity transform of the other, and 1 if x or y is constant. In
    small batches this estimate is far too high: independent embeddings of 512 dimensions have a
    correlation of 0.99 in a batch of 16. `unbiased` centres as Szekely and Rizzo 2014,
    https://arxiv.org/abs/1310.2926, definition 2: independent embeddings then have a loss of about
    1, and it can exceed 1.

    The published formula adds 1e-9 to the product of variances and 1e-12 to squared distances; as
    their effect depends on the scale of features, embeddings are divided by their spread here,
    which changes nothing else.

    Args:
        x: Embeddings, (..., N, D).
        y: Embeddings of the same clips, (..., N, E).
        unbiased: Whether to use U-centred distances, which needs at least four clips.

    Returns:
        (...), float32.
    """
    centre = _u_centred if unbiased else _centred
    a, b = centre(_distances(x)), centre(_distances(y))
    covariance, of_x, of_y = (
        product.sum(dim=(-2, -1)) / x.shape[-2] ** 2 for product in (a * b, a * a, b * b)
    )
    return 1 - covariance / (of_x * of_y).clamp_min(_LEAST).sqrt()


def cosine_difference_loss(x: Tensor, y: Tensor) -> Tensor:
    """Return the mean difference of the cosines of all pairs of clips.

    The loss "Cos-Diff" of Ding and Lerch 2023, https://arxiv.org/abs/2306.17424:

        loss = mean over all i, j of |cos(x_i, x_j) - cos(y_i, y_j)|

    Args:
        x: Embeddings, (..., N, D).
        y: Embeddings of the same clips, (..., N, E).

    Returns:
        (...), float32.
    """
    with torch.autocast(x.device.type, enabled=False):
        first, second = normalize(x.float(), dim=-1), normalize(y.float(), dim=-1)
        difference = first @ first.mT - second @ second.mT
        return difference.abs().mean(dim=(-2, -1))


def _distances(x: Tensor) -> Tensor:
    """Return Euclidean distances in units of the spread of the clips, (..., N, D) -> (..., N, N).

    They follow from scalar products, which is five times as fast as to subtract all pairs and,
    after centring, exact to float32 except for clips that are nearly equal. The unit is a constant
    to autograd, which is exact: the correlation does not depend on it.
    """
    with torch.autocast(x.device.type, enabled=False):
        x = x.float()
        centred = x - x.mean(dim=-2, keepdim=True)
        spread, size = (
            part.detach().square().sum(dim=-1, keepdim=True).mean(dim=-2, keepdim=True).sqrt()
            for part in (centred, x)
        )
        least = (_ROUNDING * size).clamp_min(torch.finfo(size.dtype).tiny)
        scaled = centred / torch.maximum(spread, least)
        squares = scaled.square().sum(dim=-1)
        both = squares[..., :, None] + squares[..., None, :]
        other = ~torch.eye(x.shape[-2], dtype=torch.bool, device=x.device)
        squared = (both - 2 * scaled @ scaled.mT).clamp_min(0).where(other, 0)
        return (squared + _LEAST).sqrt()


def _centred(a: Tensor) -> Tensor:
    rows, columns = a.mean(dim=-1, keepdim=True), a.mean(dim=-2, keepdim=True)
    return a - rows - columns + a.mean(dim=(-2, -1), keepdim=True)


def _u_centred(a: Tensor) -> Tensor:
    n = a.shape[-1]
    rows = a.sum(dim=-1, keepdim=True) / (n - 2)
    columns = a.sum(dim=-2, keepdim=True) / (n - 2)
    total = a.sum(dim=(-2, -1), keepdim=True) / ((n - 1) * (n - 2))
    other = ~torch.eye(n, dtype=torch.bool, device=a.device)
    return (a - rows - columns + total).where(other, 0)
