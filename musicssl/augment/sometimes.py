"""A transform of some clips."""

import torch
from torch import Tensor

from musicssl.augment.chain import Transform
from musicssl.augment.dsp.check import check_fraction


class Sometimes:
    """Transform a random part of the clips, and leave the others as they are.

    Only the clips that are chosen are computed. How many there are must be known on the host: on a
    GPU this waits once for what was asked of it before.

    Args:
        transform: Of instances or of sound.
        probability: Of transforming a clip. 0 changes nothing.

    Raises:
        InputError: If `probability` is none.
    """

    def __init__(self, transform: Transform, probability: float) -> None:
        self.transform = transform
        self.probability = check_fraction("sometimes.probability", probability)
        self.of_sound = bool(getattr(transform, "of_sound", False))

    def __call__(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Transform clips, of which the first `lengths`, (B,), instances or samples are valid."""
        if self.probability == 1:
            return self.transform(x, lengths)
        chosen = torch.rand(len(x), device=x.device) < self.probability
        rows = chosen.nonzero().squeeze(1)  # (N,)
        if len(rows) == 0:
            return x
        part = None if lengths is None else lengths[rows]
        return x.index_copy(0, rows, self.transform(x[rows], part))
