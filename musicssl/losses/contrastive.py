"""Contrastive learning: train projections so that their cosines follow a target similarity.

One loss for self-supervised, supervised and semi-supervised learning, which differ in the target
similarity W of the rows of a batch, see `musicssl.losses.similarity`: the same clip gives NT-Xent
(Chen et al. 2020, https://arxiv.org/abs/2002.05709, eq. 1), the same class SupCon (Khosla et al.
2020, https://arxiv.org/abs/2004.11362, eq. 2), and the union of both SemiSupCon (Guinot, Quinton
and Fazekas 2024, https://arxiv.org/abs/2407.13840).
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

CHUNK_ROWS = 512  # larger chunks take more memory and are not faster


def contrastive_loss(z: Tensor, weights: Tensor, temperature: float = 0.1) -> Tensor:
    """Average the cross-entropy between each row of W and the softmax of the row's cosines.

        loss_i = - sum_{j != i} W_ij / sum_{k != i} W_ik * log p_ij
        p_ij = exp(cos(z_i, z_j) / temperature) / sum_{k != i} exp(cos(z_i, z_k) / temperature)

    Each of several positives has its own logarithm, and the other positives stay in its
    denominator, as in SupCon's L_out. The minimum of loss_i is the entropy of row i of W after the
    row is divided by its sum.

    A row without positives is left out of the mean, as in pytorch-metric-learning; if no row has
    any, the loss is 0, with a gradient of 0. SemiSupCon's code counts such rows as 0, so that the
    gradient shrinks with their number and a learning rate tuned at one labelled fraction is too
    small at another. It also adds 1e-6 to p, which removes the gradient of the hardest positives;
    we compute the logarithm by log-sum-exp. SupContrast's code multiplies the loss by
    temperature / 0.07.

    Args:
        z: Projections, (N, P), of any scale and precision; compared in float32 or more, under
            autocast too.
        weights: Target similarity W, (N, N), 0 or more. The scale of a row makes no difference, and
            the diagonal is ignored. No gradient flows into it.
        temperature: Divides the cosines; positive.

    Returns:
        Scalar, in nats.
    """
    return chunked_contrastive_loss(z, lambda rows: weights[rows], temperature, CHUNK_ROWS)


def chunked_contrastive_loss(
    z: Tensor, weights: Callable[[slice], Tensor], temperature: float, chunk_rows: int
) -> Tensor:
    """Return `contrastive_loss` for batches whose target similarity does not fit into memory.

    Value and gradient are computed in the same pass, one chunk of rows at a time, so that forward
    and backward hold chunk_rows x N similarities at most. Second derivatives are not available.

    Args:
        z: Projections, (N, P).
        weights: Function of a slice of n rows, returns these rows of the target similarity, (n, N).
        temperature: Divides the cosines; positive.
        chunk_rows: Number of rows that are compared with all others at a time.

    Returns:
        Scalar, in nats.
    """
    with torch.autocast(z.device.type, enabled=False):
        loss: Tensor = _Contrast.apply(unit_vectors(z), weights, temperature, chunk_rows)  # type: ignore[no-untyped-call]
    return loss


class _Contrast(torch.autograd.Function):
    """The loss of unit vectors, which saves its gradient instead of intermediate results."""

    @staticmethod
    def forward(
        ctx: Any,
        unit: Tensor,
        weights: Callable[[slice], Tensor],
        temperature: float,
        chunk_rows: int,
    ) -> Tensor:
        total, anchors = unit.new_zeros(()), unit.new_zeros(())
        gradient = torch.zeros_like(unit) if ctx.needs_input_grad[0] else None
        for start in range(0, len(unit), chunk_rows):
            rows = slice(start, start + chunk_rows)
            target, has_positive = _target(weights(rows).to(unit), start)
            losses, slope = _compare(unit[rows] / temperature, unit, target, start)
            total += losses @ has_positive
            anchors += has_positive.sum()
            if gradient is not None:
                slope *= has_positive[:, None]
                gradient[rows] += slope @ unit
                gradient.addmm_(slope.T, unit[rows])
        anchors.clamp_min_(1)
        if gradient is not None:
            ctx.save_for_backward(gradient / (anchors * temperature))
        return total / anchors

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None, None, None]:
        (gradient,) = ctx.saved_tensors
        return upstream * gradient, None, None, None


def _target(weights: Tensor, start: int) -> tuple[Tensor, Tensor]:
    """Normalise rows of W, (n, N), of which the first is row `start`, and find rows with positives.

    Returns:
        The target distributions, (n, N), and for each row 1 if it has a positive, else 0, (n,).
    """
    target = weights.clone()
    target.diagonal(start).zero_()
    sums = target.sum(dim=1, keepdim=True)
    has_positive = sums > 0
    target /= sums.where(has_positive, 1)
    return target, has_positive[:, 0].to(target)


def _compare(anchors: Tensor, unit: Tensor, target: Tensor, start: int) -> tuple[Tensor, Tensor]:
    """Return the cross-entropy of each anchor, (n,), and its slope in the logits, (n, N).

    The softmax is stabilised by hand, because log-sum-exp and softmax would each compute all
    exponentials and copy all similarities. The slope overwrites the logits.

    Args:
        anchors: Unit vectors divided by the temperature, (n, P).
        unit: All unit vectors, (N, P).
        target: Target of the softmax, (n, N), 0 on the diagonal.
        start: Row of the first anchor.
    """
    logits = anchors @ unit.T  # (n, N)
    # The lowest number, not minus infinity: 0 times it is 0, and a batch of one row stays finite.
    logits.diagonal(start).fill_(torch.finfo(logits.dtype).min)
    logits -= logits.amax(dim=1, keepdim=True)
    expected = torch.einsum("nk,nk->n", target, logits)
    softmax = logits.exp_()
    sums = softmax.sum(dim=1, keepdim=True)
    softmax /= sums
    return sums[:, 0].log() - expected, softmax.sub_(target)


def unit_vectors(z: Tensor) -> Tensor:
    """Divide vectors by their length, in float32 or more.

    A vector of zeros does not change, and its gradient is passed on without a division: PyTorch's
    `normalize` divides it by 1e-12, which multiplies its gradient by a trillion.

    Args:
        z: Vectors, (..., P), of any scale.
    """
    z = z.to(torch.promote_types(z.dtype, torch.float32))
    length: Tensor = torch.linalg.vector_norm(z, dim=-1, keepdim=True)
    return z / length.where(length > 0, 1)
