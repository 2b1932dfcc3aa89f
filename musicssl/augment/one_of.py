"""A choice of transforms."""

import torch
from torch import Tensor

from musicssl.augment.chain import Transform
from musicssl.errors import InputError


class OneOf:
    """Apply exactly one of several transforms to each clip, each being as likely.

    A clip is computed once, by the transform that it gets. How many get which must be known on the
    host: on a GPU this waits once for what was asked of it before.

    Args:
        transforms: By name, so that a command line reaches each of them; all of instances or all of
            sound.

    Raises:
        InputError: If there is none, or some are of instances and some of sound.
    """

    def __init__(self, **transforms: Transform) -> None:
        kinds = {bool(getattr(transform, "of_sound", False)) for transform in transforms.values()}
        if len(kinds) != 1:
            what = "is none to choose from" if not kinds else "are some of instances, some of sound"
            raise InputError(
                f"among the transforms of a one_of there {what}; name one or more of one kind."
            )
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
