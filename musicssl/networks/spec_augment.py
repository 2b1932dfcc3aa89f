"""SpecAugment: hide bands and frames of spectra while training."""

import torch
from torch import Tensor, nn

from musicssl.errors import InputError


class SpecAugment(nn.Module):
    """Set random blocks of bands, and of frames, to zero while training.

    Park et al. 2019, https://arxiv.org/abs/1904.08779, section 2, without time warping, whose
    effect is the smallest in the paper. The width of a block is uniform from 0 to the greatest
    width, and so is its position among those that fit. Each spectrum of a batch has blocks of its
    own. Spectra should be normalised, so that zero is their mean, as in the paper.

    Deviations: widths are shares of a spectrum, so that one setting fits all encoders. The paper
    draws integers; here a block covers the bands, or frames, whose centre is in it.

    Args:
        max_bands: Greatest width of a block of bands, as a share of all bands, F, in [0, 1].
        max_frames: Greatest width of a block of frames, as a share of all frames, T, in [0, 1].
        blocks: Number of blocks of either kind.

    Raises:
        InputError: If a setting is out of range.
    """

    def __init__(self, max_bands: float, max_frames: float, blocks: int = 1) -> None:
        super().__init__()
        for name, share in (("max_bands", max_bands), ("max_frames", max_frames)):
            if not 0 <= share <= 1:
                raise InputError(f"encoder.spec_augment.{name} must be in [0, 1], got {share:g}.")
        if blocks < 0:
            raise InputError(f"encoder.spec_augment.blocks must be 0 or more, got {blocks}.")
        self.max_bands = max_bands
        self.max_frames = max_frames
        self.blocks = blocks

    def forward(self, spectra: Tensor) -> Tensor:
        """Hide blocks of normalised spectra, (K, C, F, T); in evaluation return them unchanged."""
        if not self.training:
            return spectra
        for axis, widest in ((2, self.max_bands), (3, self.max_frames)):
            for _ in range(self.blocks if widest else 0):
                hidden = _blocks(len(spectra), spectra.shape[axis], widest, spectra.device)
                shape = [len(spectra), 1, 1, 1]
                shape[axis] = spectra.shape[axis]
                spectra = spectra.masked_fill(hidden.view(shape), 0)
        return spectra

    def extra_repr(self) -> str:
        """Return the settings, for `print`."""
        return f"max_bands={self.max_bands}, max_frames={self.max_frames}, blocks={self.blocks}"


def _blocks(count: int, size: int, widest: float, device: torch.device) -> Tensor:
    """Draw a block for each of K spectra, (K, size) bool: True where it is hidden."""
    width, position = torch.rand(2, count, 1, device=device)
    width = width * widest * size
    start = position * (size - width)
    centre = torch.arange(size, device=device) + 0.5
    hidden: Tensor = (centre >= start) & (centre < start + width)
    return hidden
