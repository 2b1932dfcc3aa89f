"""A random choice between transforms."""

import torch
from torch import Tensor

from musicssl.augment.chain import Transform
from musicssl.errors import InputError


class OneOf:
    """Apply exactly one of several transforms to each clip, with equal probabilities.

    Only the chosen transform is computed for a clip. The host must know the number of clips of each
    transform: on a GPU this is one synchronisation.

    Args:
        transforms: Transforms by name, so that the command line can set each of them; all of
            instances or all of sound.

    Raises:
        InputError: If there is no transform, or some are of instances and some of sound.
    """

    def __init__(self, **transforms: Transform) -> None:
        kinds = {bool(getattr(transform, "of_sound", False)) for transform in transforms.values()}
        if len(kinds) != 1:
            fault = "has no transforms" if not kinds else "mixes transforms of instances and sound"
            raise InputError(f"a one_of {fault}; give one or more transforms of the same kind.")
        self.transforms = transforms
        self.of_sound = kinds.pop()

    def __call__(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Transform clips, of which the first `lengths`, (B,), instances or samples are valid."""
        choice = torch.randint(len(self.transforms), (len(x),), device=x.device)
        order = choice.argsort()  # clips of the first transform first
        counts = choice.bincount(minlength=len(self.transforms)).tolist()
        groups = torch.split(order, counts)
        parts = [
            transform(x[rows], None if lengths is None else lengths[rows])
            for transform, rows in zip(self.transforms.values(), groups, strict=True)
            if len(rows)
        ]
        return torch.cat(parts)[order.argsort()]
