"""Addition of two clips of sound, whose labels follow from those of the two."""

import torch
from torch import Tensor

from musicssl.augment.dsp.check import check_strength
from musicssl.augment.mixing.mixing import random_partners
from musicssl.batch import Batch, valid_instances
from musicssl.errors import InputError


class Add:
    """Add another clip of the batch to a clip, at a random level.

    A class sounds in the sum if it sounds in either clip, so the labels are exact, even if some are
    missing: a class is present if it is present in either clip, absent if it is known to be absent
    in both, and unknown otherwise. Silent or inaudible parts of the softer clip make no exception,
    as in the labels of the corpus.

    Args:
        max_db: Greatest difference of level between the two clips, in dB; the difference is uniform
            in [-max_db, max_db].
        share: Share of the clips to which another is added, in [0, 1].

    Raises:
        InputError: If a setting is out of range, or, when called, if the clips are instances: the
            features of a sum are no function of the features of its parts.
    """

    def __init__(self, max_db: float, share: float = 0.5) -> None:
        self.max_db = check_strength("mixing.max_db", max_db)
        if not 0 <= share <= 1:
            raise InputError(f"mixing.share must be in [0, 1], got {share:g}.")
        self.share = share

    def __call__(self, batch: Batch) -> Batch:
        """Add clips of a batch to each other."""
        if batch.x.ndim != 2:
            raise InputError(
                "mixing=add adds sound, but the encoder gets instances; choose an encoder of sound "
                "such as encoder=cnn, or mixing=mixup."
            )
        draws = torch.rand(2, len(batch.x), device=batch.x.device)
        level = 10 ** ((2 * draws[0] - 1) * self.max_db / 20)
        return add(batch, random_partners(batch), level * (draws[1] < self.share))


def add(batch: Batch, partner: Tensor, level: Tensor) -> Batch:
    """Return the sums of clips and their partners, scaled to stay in [-1, 1].

    The outputs of a teacher for a sum are not known, so clips to which another is added have none.

    Args:
        batch: Clips of sound.
        partner: Index of the other clip, (B,) int64.
        level: Factor of the other clip in relation to the clip, (B,), 0 or more; with 0 the clip
            and its labels are returned unchanged.
    """
    other, added = batch.select(partner), level > 0
    level = level.to(batch.x)[:, None]  # (B, 1)
    x = (_silenced(batch) + level * _silenced(other)) / (1 + level)
    y, mask = union(batch.y, batch.mask, other.y, other.mask)
    lengths = batch.lengths
    if lengths is not None and other.lengths is not None:
        lengths = torch.maximum(lengths, other.lengths * added)
    teacher_mask = batch.teacher_mask
    if batch.teacher is not None:
        teacher_mask = ~added if teacher_mask is None else teacher_mask & ~added
    return batch._replace(
        x=x,
        y=y.where(added[:, None], batch.y),
        mask=mask.where(added[:, None], batch.mask),
        lengths=lengths,
        teacher_mask=teacher_mask,
    )


def union(
    first: Tensor, known: Tensor, second: Tensor, also_known: Tensor
) -> tuple[Tensor, Tensor]:
    """Return targets and mask of two clips that sound together, (B, C) each.

    Args:
        first: Targets of one clip, (B, C); a class is present from 0.5 on.
        known: True where they were observed, (B, C) bool.
        second: Targets of the other clip, (B, C).
        also_known: True where they were observed, (B, C) bool.
    """
    first, second = first.where(known, 0), second.where(also_known, 0)
    y = torch.maximum(first, second)
    return y, (known & also_known) | (y >= 0.5)


def _silenced(batch: Batch) -> Tensor:
    """Return sound with silence instead of padding, (B, S)."""
    if batch.lengths is None:
        return batch.x
    return batch.x.where(valid_instances(batch.lengths, batch.x.shape[1]), 0)
