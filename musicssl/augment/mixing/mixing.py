"""What mixings have in common: their type, the choice of partners, and to mix nothing."""

from collections.abc import Callable

import torch
from torch import Tensor

from musicssl.batch import Batch

Mixing = Callable[[Batch], Batch]
"""Returns a batch of as many clips, each a mix of two clips of the batch.

Random numbers come from torch's default generator of the device, which training seeds before every
step.
"""


class NoMixing:
    """Leave clips as they are."""

    def __call__(self, batch: Batch) -> Batch:
        """Return the batch itself."""
        return batch


def random_partners(batch: Batch) -> Tensor:
    """Draw a partner for each clip, (B,) int64: a permutation of the batch.

    Clips with labels are permuted among themselves, and so are clips without. A mix of both would
    have no label. A clip can be its own partner, and then its mix is the clip.
    """
    labelled = batch.mask.any(dim=1).to(torch.float64)
    noise = torch.rand(len(labelled), device=labelled.device, dtype=torch.float64)
    partner = torch.empty_like(batch.mask[:, 0], dtype=torch.int64)
    partner[labelled.argsort(stable=True)] = (noise + labelled).argsort()
    return partner
