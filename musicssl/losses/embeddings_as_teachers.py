"""How alike two embeddings of the same clips arrange them: the losses of EAsT.

Both compare relations between the clips of a batch, so that the two embeddings may have any widths
and need no map between them.
"""

import torch
from torch import Tensor
from torch.nn.functional import normalize

_LEAST = 1e-12  # added to squared distances, as published; smallest product of variances
_ROUNDING = 1e-6  # spread of clips below which they are equal, relative to their size


def distance_correlation_loss(
    x: Tensor, y: Tensor, unbiased: bool = False, known: Tensor | None = None
) -> Tensor:
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
        known: True for the clips that are compared, (N,) bool; None for all.

    Returns:
        (...), float32; 0 if too few clips are compared.
    """
    fewest = 4 if unbiased else 2
    weight, count = _weights(x, known)
    count = count.clamp_min(fewest)
    centre = _u_centred if unbiased else _centred
    a, b = (centre(_distances(part, weight, count), weight, count) for part in (x, y))
    covariance, of_x, of_y = (
        product.sum(dim=(-2, -1)) / count**2 for product in (a * b, a * a, b * b)
    )
    loss = 1 - covariance / (of_x * of_y).clamp_min(_LEAST).sqrt()
    return loss.where(weight.sum() >= fewest, 0)


def cosine_difference_loss(x: Tensor, y: Tensor, known: Tensor | None = None) -> Tensor:
    """Return the mean difference of the cosines of all pairs of clips.

    The loss "Cos-Diff" of Ding and Lerch 2023, https://arxiv.org/abs/2306.17424:

        loss = mean over all i, j of |cos(x_i, x_j) - cos(y_i, y_j)|

    Args:
        x: Embeddings, (..., N, D).
        y: Embeddings of the same clips, (..., N, E).
        known: True for the clips that are compared, (N,) bool; None for all.

    Returns:
        (...), float32; 0 if no clips are compared.
    """
    weight, count = _weights(x, known)
    with torch.autocast(x.device.type, enabled=False):
        first, second = (
            normalize(part.float().where(weight[:, None] > 0, 0), dim=-1) for part in (x, y)
        )
        difference = first @ first.mT - second @ second.mT  # 0 where a clip is not compared
        return difference.abs().sum(dim=(-2, -1)) / count.clamp_min(1) ** 2


def _weights(x: Tensor, known: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return the weight of each clip, 0 or 1, (N,), and their number, for means by arithmetic.

    To select the clips would let the host wait for their number.
    """
    if known is None:
        known = torch.ones(x.shape[-2], dtype=torch.bool, device=x.device)
    weight = known.float()
    return weight, weight.sum()


def _distances(x: Tensor, weight: Tensor, count: Tensor) -> Tensor:
    """Return Euclidean distances in units of the spread of the clips, (..., N, D) -> (..., N, N).

    They follow from scalar products, which is five times as fast as to subtract all pairs and,
    after centring, exact to float32 except for clips that are nearly equal. The unit is a constant
    to autograd, which is exact: the correlation does not depend on it.
    """
    with torch.autocast(x.device.type, enabled=False):
        is_known = weight[:, None] > 0
        x = x.float().where(is_known, 0)
        centred = (x - x.sum(dim=-2, keepdim=True) / count).where(is_known, 0)
        spread, size = (
            (part.detach().square().sum(dim=(-2, -1), keepdim=True) / count).sqrt()
            for part in (centred, x)
        )
        least = (_ROUNDING * size).clamp_min(torch.finfo(size.dtype).tiny)
        scaled = centred / torch.maximum(spread, least)
        squares = scaled.square().sum(dim=-1)
        both = squares[..., :, None] + squares[..., None, :]
        other = ~torch.eye(x.shape[-2], dtype=torch.bool, device=x.device)
        squared = (both - 2 * scaled @ scaled.mT).clamp_min(0).where(other, 0)
        return (squared + _LEAST).sqrt()


def _centred(a: Tensor, weight: Tensor, count: Tensor) -> Tensor:
    pairs = weight[:, None] * weight  # (N, N)
    a = a * pairs
    rows, columns = a.sum(dim=-1, keepdim=True) / count, a.sum(dim=-2, keepdim=True) / count
    return (a - rows - columns + a.sum(dim=(-2, -1), keepdim=True) / count**2) * pairs


def _u_centred(a: Tensor, weight: Tensor, count: Tensor) -> Tensor:
    pairs = weight[:, None] * weight  # (N, N)
    a = a * pairs
    rows = a.sum(dim=-1, keepdim=True) / (count - 2)
    columns = a.sum(dim=-2, keepdim=True) / (count - 2)
    total = a.sum(dim=(-2, -1), keepdim=True) / ((count - 1) * (count - 2))
    other = ~torch.eye(a.shape[-1], dtype=torch.bool, device=a.device)
    return (a - rows - columns + total).where(other, 0) * pairs
