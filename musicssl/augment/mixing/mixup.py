"""Mixup: weighted means of two clips and of their targets."""

import torch
from torch import Tensor

from musicssl.augment.mixing.mixing import random_partners
from musicssl.batch import Batch
from musicssl.errors import InputError


class Mixup:
    """Replace each clip by a weighted mean of itself and another clip of the batch.

    Zhang et al. 2018, https://arxiv.org/abs/1710.09412: with a share from Beta(alpha, alpha), the
    input is share * x + (1 - share) * x' and so is the target. As in MixMatch (Berthelot et al.
    2019, https://arxiv.org/abs/1905.02249, equation 9) the greater of the two shares is that of the
    clip itself, drawn for each clip. See `mix` for missing labels and for clips of unequal length.

    Args:
        alpha: Parameter of the Beta distribution, 0 or more; 0 does not mix.

    Raises:
        InputError: If `alpha` is negative.
    """

    def __init__(self, alpha: float) -> None:
        if alpha < 0:
            raise InputError(f"mixing.alpha must be 0 or more, got {alpha:g}.")
        self.alpha = alpha

    def __call__(self, batch: Batch) -> Batch:
        """Mix the clips of a batch."""
        if self.alpha == 0:
            return batch
        alpha = torch.full((len(batch.x),), self.alpha, device=batch.x.device)
        share = torch.distributions.Beta(alpha, alpha, validate_args=False).sample()
        return mix(batch, random_partners(batch), torch.maximum(share, 1 - share))


def mix(batch: Batch, partner: Tensor, share: Tensor) -> Batch:
    """Return the weighted means of clips and their partners.

    The target of a class is known if it is known for both clips, or if the share is 1. A clip keeps
    its length: a shorter partner is repeated from its start, a longer one is cut, so that every
    instance of the mix contains both clips. Outputs of a teacher are mixed and masked like targets.

    Args:
        batch: Clips, of instances or of sound.
        partner: Index of the other clip, (B,) int64.
        share: Weight of the clip itself, (B,) in [0, 1]; with 1 the clip and its targets are
            returned unchanged.
    """
    other = batch.select(partner)
    weight = share.to(batch.x)[:, None]  # (B, 1)
    of_x = weight.view(-1, *[1] * (batch.x.ndim - 1))
    x = batch.x * of_x + _repeated(other.x, other.lengths) * (1 - of_x)
    y = (batch.y * weight + other.y * (1 - weight)).where(weight < 1, batch.y)
    mixed = batch._replace(x=x, y=y, mask=batch.mask & (other.mask | (weight == 1)))
    if batch.teacher is None or other.teacher is None:
        return mixed
    teacher = (batch.teacher * weight + other.teacher * (1 - weight)).where(
        weight < 1, batch.teacher
    )
    if batch.teacher_mask is None or other.teacher_mask is None:
        return mixed._replace(teacher=teacher)
    known = batch.teacher_mask & (other.teacher_mask | (share == 1))
    return mixed._replace(teacher=teacher, teacher_mask=known)


def _repeated(x: Tensor, lengths: Tensor | None) -> Tensor:
    """Repeat the valid part of each clip, (B, T, ...), up to T."""
    if lengths is None:
        return x
    positions = torch.arange(x.shape[1], device=x.device) % lengths[:, None]  # (B, T)
    index = positions.view(*positions.shape, *[1] * (x.ndim - 2)).expand_as(x)
    return x.gather(1, index)
