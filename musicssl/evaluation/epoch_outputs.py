"""The outputs of a whole epoch, gathered from all ranks."""

import torch
from torch import Tensor
from torchmetrics import Metric


class EpochOutputs(Metric):
    """All logits, targets and masks of an epoch, gathered from all ranks."""

    logits: list[Tensor]
    targets: list[Tensor]
    mask: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        for name in ("logits", "targets", "mask"):
            self.add_state(name, default=[], dist_reduce_fx="cat")

    def update(self, logits: Tensor, targets: Tensor, mask: Tensor) -> None:
        """Add a batch, each (B, C)."""
        self.logits.append(logits.float())
        self.targets.append(targets)
        self.mask.append(mask)

    def compute(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits, targets and mask of all clips, each (N, C)."""
        return _joined(self.logits), _joined(self.targets), _joined(self.mask)


def _joined(parts: list[Tensor] | Tensor) -> Tensor:
    return parts if isinstance(parts, Tensor) else torch.cat(parts)
