"""A transform of a random part of the clips."""

import torch
from torch import Tensor

from musicssl.augment.chain import Transform
from musicssl.augment.dsp.check import check_fraction


class Sometimes:
    """Apply a transform to a random part of the clips; the other clips do not change.

    Only the chosen clips are computed. The host must know their number: on a GPU this is one
    synchronisation.

    Args:
        transform: A transform of instances or of sound.
        probability: Probability of transforming a clip. 0 changes nothing.

    Raises:
        InputError: If `probability` is not in [0, 1].
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
