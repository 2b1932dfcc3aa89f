"""Alignment of the distribution of pseudo-labels with that of labelled clips."""

import torch
from torch import Tensor, nn

from musicssl.errors import InputError


class DistributionAlignment(nn.Module):
    """Scale predictions so that their average is the average prediction on labelled clips.

    AdaMatch, Berthelot et al. 2022, https://arxiv.org/abs/2106.04732, section 3: a prediction is
    multiplied by the mean prediction on labelled clips over the mean prediction on unlabelled
    clips, and normalised. The paper writes expectations. The authors' code averages over batches:
    labelled clips with a momentum of 0.999 from a uniform start, unlabelled clips equally over the
    last 128 batches. Here both means have one momentum (0 takes them from the batch) and start at
    the first batch that has both kinds of clips. A sigmoid is treated as a softmax over present
    and absent.

    With `uniform=True` predictions are scaled to a uniform average instead, independently of the
    labelled clips: the alignment of SimMatch (Zheng et al. 2022, https://arxiv.org/abs/2203.06915),
    p over the moving average of p, normalised. It assumes that classes are equally frequent.

    Alignment assumes that labelled and unlabelled clips are drawn from one population. It is wrong
    where clips were chosen for annotation because of their classes.

    Args:
        num_classes: Number of classes, C.
        momentum: Momentum of the two means over batches, in [0, 1).
        one_class_per_clip: Whether predictions are those of a softmax over the classes of a clip.
        uniform: Whether the average is to be uniform, instead of that of labelled clips.

    Raises:
        InputError: If the momentum is out of range.
    """

    labelled: Tensor
    unlabelled: Tensor
    num_updates: Tensor

    def __init__(
        self,
        num_classes: int,
        momentum: float,
        one_class_per_clip: bool,
        uniform: bool = False,
    ) -> None:
        super().__init__()
        if not 0 <= momentum < 1:
            raise InputError(f"method.alignment must be in [0, 1), or null, got {momentum:g}.")
        self.momentum = momentum
        self.one_class_per_clip = one_class_per_clip
        self.uniform = uniform
        start = 1 / num_classes if one_class_per_clip else 0.5
        self.register_buffer("labelled", torch.full((num_classes,), start))
        self.register_buffer("unlabelled", torch.full((num_classes,), start))
        self.register_buffer("num_updates", torch.zeros(num_classes, dtype=torch.int64))

    def update(self, scores: Tensor, observed: Tensor) -> None:
        """Update the means with a batch; a class without labelled or unlabelled cells keeps them.

        Args:
            scores: Probabilities of classes, (B, C).
            observed: True where the label is known, (B, C) bool.
        """
        pairs = [(self.unlabelled, ~observed)]
        pairs += [] if self.uniform else [(self.labelled, observed)]
        counts = [cells.sum(dim=0) for _, cells in pairs]  # (C,) each
        counted = torch.stack(counts).amin(dim=0) > 0
        keep = torch.where(self.num_updates > 0, self.momentum, 0.0)  # start at the first batch
        keep = keep.where(counted, 1.0)
        for (mean, cells), count in zip(pairs, counts, strict=True):
            mean.lerp_((scores * cells).sum(dim=0) / count.clamp_min(1), 1 - keep)
        self.num_updates += counted

    def forward(self, scores: Tensor) -> Tensor:
        """Return aligned probabilities, (B, C)."""
        ratio = self.labelled / self.unlabelled.clamp_min(1e-6)
        scaled = scores * ratio
        if self.one_class_per_clip:
            return scaled / scaled.sum(dim=1, keepdim=True).clamp_min(1e-12)
        rest = (1 - scores) * (1 - self.labelled) / (1 - self.unlabelled).clamp_min(1e-6)
        return scaled / (scaled + rest).clamp_min(1e-12)
