"""The U-net of IASS on magnitude spectra, as an encoder of musicssl."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from musicssl.errors import InputError

_DOWN = (3, 1)  # kernel and stride of all layers between two resolutions: frequency, time


class Separated(NamedTuple):
    """What the network makes of B mixtures of T hops.

    Attributes:
        mixture: Their spectra, (B, K, T + 1) complex.
        mask: Estimated ratio of the source's magnitude to the mixture's, 0 or more, (B, K, T + 1).
        h: What the activity is read from, (B, T, D).
    """

    mixture: Tensor
    mask: Tensor
    h: Tensor

    @property
    def magnitudes(self) -> Tensor:
        """Estimated magnitudes of the source, (B, K, T + 1)."""
        return self.mask * self.mixture.abs()


class SeparationUNet(nn.Module):
    """A U-net that estimates a mask for one source; its latent variables tell its activity.

    Hung and Lerch 2020, https://arxiv.org/abs/2008.00616, section 3, sizes from their code: three
    blocks of two 3 x 3 convolutions with a 1 x 1 shortcut, each followed by a convolution that
    divides the number of frequencies by 3; the same upwards, with the maps of equal size of the way
    down beside those that come up; a linear layer from the used bins to all, as in Open-Unmix. The
    activity is read from the latent variables by convolutions (3, 1) with stride (3, 1). The last
    layer of theirs, a convolution over all that is left of the frequencies, is the linear layer of
    musicssl's pooling. With fewer bins than theirs there are as many such convolutions as fit.

    An instance is one hop of sound: samples of the mixture, then as many of the source, which
    only `spectra` reads.

    Args:
        num_features: Samples of an instance, twice the hop, F.
        num_instances: Not used.
        window: Samples of a window, a multiple of the hop.
        bins: Number of the lowest bins that the network reads.
        widths: Channels of the three blocks.
        head: Most channels of the convolutions for the activity.

    Raises:
        InputError: If a size does not fit.
    """

    window: Tensor

    def __init__(
        self,
        num_features: int,
        num_instances: int | None = None,
        window: int = 4096,
        bins: int = 1487,
        widths: Sequence[int] = (16, 32, 48),
        head: Sequence[int] = (32, 16, 16),
    ) -> None:
        super().__init__()
        self.hop, self.bins, all_bins = num_features // 2, bins, window // 2 + 1
        if num_features % 2 or window % self.hop or not 81 <= bins <= all_bins:
            raise InputError(
                f"encoder.window={window} must be a multiple of the hop, {self.hop}, and "
                f"encoder.bins={bins} from 81 to {all_bins}, window / 2 + 1; change one of them."
            )
        self.register_buffer("window", torch.hann_window(window), persistent=False)
        # As in Open-Unmix, the statistics and the scale of the mask are trained from here on.
        self.mean, self.scale = _parameter(bins, 0.0), _parameter(bins, 1.0)
        self.mask_scale, self.mask_mean = _parameter(all_bins, 1.0), _parameter(all_bins, 1.0)
        low, middle, high = widths
        sizes = [bins // 3**level for level in range(4)]
        downs = [(1, low), (low, middle), (middle, high)]
        self.down = nn.ModuleList(nn.Sequential(Block(a, b), _strided(b, b)) for a, b in downs)
        ups = zip((high, middle, low), sizes[2::-1], strict=True)
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(width, width, _DOWN, _DOWN, output_padding=(size % 3, 0))
            for width, size in ups
        )
        merges = [(high + middle, middle), (middle + low, low), (low, 1)]
        self.merge = nn.ModuleList(Block(a, b) for a, b in merges)
        self.all_bins = nn.Linear(bins, all_bins)
        layers: list[nn.Module] = []
        width, left = high, sizes[3]
        for out in head:
            if left < 3:
                break
            layers += [_strided(width, out), nn.BatchNorm2d(out), nn.LeakyReLU()]
            width, left = out, left // 3
        self.head = nn.Sequential(*layers)
        self.embed_dim = width * left

    def forward(self, x: Tensor, valid: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Map instances, (B, T, F), to what the activity is read from, (B, T, D)."""
        return self.separate(x).h, valid

    def spectra(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the spectra of mixture and source, (B, K, T + 1) complex each."""
        sounds = self.sounds(x)
        return self._stft(sounds[0]), self._stft(sounds[1])

    def sounds(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the samples of mixture and source, (B, S) each, from instances, (B, T, F)."""
        return x[..., : self.hop].flatten(1), x[..., self.hop :].flatten(1)

    def sound(self, spectra: Tensor, num_samples: int) -> Tensor:
        """Return the samples of spectra, (B, K, T + 1) -> (B, S)."""
        size = len(self.window)
        return torch.istft(*(spectra, size, self.hop), window=self.window, length=num_samples)

    def separate(self, x: Tensor) -> Separated:
        """Estimate the mask of the source from the mixture in instances, (B, T, F)."""
        mixture = self._stft(self.sounds(x)[0])
        maps = (mixture.abs()[:, : self.bins] - self.mean[:, None]) * self.scale[:, None]
        maps = maps[:, None]  # (B, 1, bins, T + 1)
        levels = []
        for down in self.down:
            maps = down(maps)
            levels.append(maps)
        h = self.head(levels.pop()).flatten(1, 2).transpose(1, 2)  # (B, T + 1, D)
        for up, merge in zip(self.up, self.merge, strict=True):
            maps = up(maps)
            maps = merge(torch.cat([maps, levels.pop()], dim=1) if levels else maps)
        mask = self.all_bins(maps[:, 0].transpose(1, 2)).transpose(1, 2)
        mask = (mask * self.mask_scale[:, None] + self.mask_mean[:, None]).relu()
        return Separated(mixture, mask, h[:, :-1])

    def _stft(self, sound: Tensor) -> Tensor:
        size = len(self.window)
        return torch.stft(*(sound, size, self.hop), window=self.window, return_complex=True)


class Block(nn.Module):
    """Two 3 x 3 convolutions with batch norm and LeakyReLU, and a 1 x 1 shortcut."""

    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(nn.Conv2d(width, out, 3, padding=1), nn.BatchNorm2d(out), nn.LeakyReLU()),
            *(nn.Conv2d(out, out, 3, padding=1), nn.BatchNorm2d(out)),
        )
        self.shortcut = nn.Conv2d(width, out, 1)

    def forward(self, maps: Tensor) -> Tensor:
        """Map (B, W, K, T) to (B, W', K, T)."""
        summed: Tensor = nn.functional.leaky_relu(self.layers(maps) + self.shortcut(maps))
        return summed


def _strided(width: int, out: int) -> nn.Conv2d:
    return nn.Conv2d(width, out, _DOWN, _DOWN)


def _parameter(size: int, value: float) -> nn.Parameter:
    return nn.Parameter(torch.full((size,), value))
