"""Contrastive learning: the cosines of projections are to follow a given similarity.

One loss for self-supervised, supervised and semi-supervised learning. What differs is the target
similarity W of the rows of a batch, see `musicssl.losses.similarity`: same clip makes it NT-Xent
(Chen et al. 2020, https://arxiv.org/abs/2002.05709, eq. 1), same class SupCon (Khosla et al. 2020,
https://arxiv.org/abs/2004.11362, eq. 2), a union of both SemiSupCon (Guinot, Quinton and Fazekas
2024, https://arxiv.org/abs/2407.13840).
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

CHUNK_ROWS = 512  # more at a time would take more memory and be no faster


def contrastive_loss(z: Tensor, weights: Tensor, temperature: float = 0.1) -> Tensor:
    """Average the cross-entropy between each row of W and the softmax of the row's cosines.

        loss_i = - sum_{j != i} W_ij / sum_{k != i} W_ik * log p_ij
        p_ij = exp(cos(z_i, z_j) / temperature) / sum_{k != i} exp(cos(z_i, z_k) / temperature)

    With several positives each has its own logarithm, and the others stay in its denominator, as
    in SupCon's L_out. The least value of loss_i is the entropy of row i of W, divided by its sum.

    A row without positives is left out of the mean, as in pytorch-metric-learning; without any the
    loss is 0, with a gradient of 0. SemiSupCon's code counts such rows as 0, so that the gradient
    shrinks with their number and a learning rate found at one labelled share is too small at
    another. It also adds 1e-6 to p, which takes the gradient from the hardest positives; we take
    the logarithm by log-sum-exp. SupContrast's code multiplies the loss by temperature / 0.07.

    Args:
        z: Projections, (N, P), of any scale and precision; compared in float32 or more, under
            autocast too.
        weights: Target similarity W, (N, N), 0 or more; each row counts up to a factor, the
            diagonal not at all. No gradient flows into it.
        temperature: Divides the cosines; positive.

    Returns:
        Scalar, in nats.
    """
    return chunked_contrastive_loss(z, lambda rows: weights[rows], temperature, CHUNK_ROWS)


def chunked_contrastive_loss(
    z: Tensor, weights: Callable[[slice], Tensor], temperature: float, chunk_rows: int
) -> Tensor:
    """Return `contrastive_loss` for batches whose target similarity does not fit into memory.

    Value and gradient are made in the same pass, a chunk of rows at a time, so that forward and
    backward hold chunk_rows x N similarities at most. Second derivatives are not available.

    Args:
        z: Projections, (N, P).
        weights: Returns some rows of the target similarity, (n, N).
        temperature: Divides the cosines; positive.
        chunk_rows: Rows that are compared with all others at a time.

    Returns:
        Scalar, in nats.
    """
    with torch.autocast(z.device.type, enabled=False):
        loss: Tensor = _Contrast.apply(unit_vectors(z), weights, temperature, chunk_rows)  # type: ignore[no-untyped-call]
    return loss


class _Contrast(torch.autograd.Function):
    """The loss of unit vectors, which keeps its gradient instead of what to compute it from."""

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
    """Normalise rows of W, (n, N), the first of which is row `start`; say which have a positive.

    Returns:
        The target distributions, (n, N), and 1 or 0 for each row, (n,).
    """
    target = weights.clone()
    target.diagonal(start).zero_()
    sums = target.sum(dim=1, keepdim=True)
    has_positive = sums > 0
    target /= sums.where(has_positive, 1)
    return target, has_positive[:, 0].to(target)


def _compare(anchors: Tensor, unit: Tensor, target: Tensor, start: int) -> tuple[Tensor, Tensor]:
    """Return the cross-entropy of each anchor, (n,), and its slope in the logits, (n, N).

    The softmax is stabilised by hand, because log-sum-exp and softmax would each take an
    exponential and a copy of all similarities. Its slope takes the place of the logits.

    Args:
        anchors: Unit vectors divided by the temperature, (n, P).
        unit: All unit vectors, (N, P).
        target: What the softmax is to be, (n, N), 0 on the diagonal.
        start: Which row the first anchor is.
    """
    logits = anchors @ unit.T  # (n, N)
    # The least number, not minus infinity: 0 times it is 0, and a batch of one row stays finite.
    logits.diagonal(start).fill_(torch.finfo(logits.dtype).min)
    logits -= logits.amax(dim=1, keepdim=True)
    expected = torch.einsum("nk,nk->n", target, logits)
    softmax = logits.exp_()
    sums = softmax.sum(dim=1, keepdim=True)
    softmax /= sums
    return sums[:, 0].log() - expected, softmax.sub_(target)


def unit_vectors(z: Tensor) -> Tensor:
    """Divide vectors by their length, in float32 or more.

    A vector of zeros stays one, and its gradient is that of no division: PyTorch's `normalize`
    divides it by 1e-12 and so makes its gradient a trillion times as large.

    Args:
        z: Vectors, (..., P), of any scale.
    """
    z = z.to(torch.promote_types(z.dtype, torch.float32))
    length: Tensor = torch.linalg.vector_norm(z, dim=-1, keepdim=True)
    return z / length.where(length > 0, 1)
