"""musicnn: timbral and temporal filters on log-mel spectra."""

from pathlib import Path

import torch
from torch import Tensor, nn

from musicssl.audio.log_mel import LogMelFrontend
from musicssl.encoders.base.spectral import SpectralEncoder
from musicssl.encoders.pretrained import musicnn as published
from musicssl.networks.layers import Dropout
from musicssl.networks.spec_augment import SpecAugment

_NUM_MELS = 96
_HOP = 256
_PUBLISHED = {"sample_rate": 16_000, "mid_filters": 64}  # of the models with weights


class Musicnn(SpectralEncoder):
    """Embed each frame of a chunk by musically motivated filters and three layers over time.

    The front end and mid end of Pons and Serra 2019, https://arxiv.org/abs/1909.06654, checked
    against the authors' code (MTT_musicnn). Timbral filters are tall, 38 and 67 of the 96 bands by
    7 frames, and slide over frequency; temporal filters are long, 128, 64 and 32 frames of one
    band. The maximum over frequency is taken, so that the features do not depend on pitch:
    2 x 204 + 3 x 51 = 561 features of a frame. Three convolutions of 7 frames follow, the second
    and third with residual connections, and the outputs of all four stages, 561 + 3 x 64 = 753, are
    the embedding. Every convolution is followed by ReLU and then batch norm. There are 472,295
    parameters; the authors' back end for 50 tags and the gain and offset of the first batch norm
    would make them 787,159.

    A chunk is 187 hops of 256 samples, 2.992 s at 16 kHz, which is the authors' 3 s: they cut the
    spectra of a whole file into stretches of 187 frames, and chunks here begin at the same frames.
    48,000 samples would have 188 frames.

    Differences: the back end (maximum and mean over time, a hidden layer of 200 units) is replaced
    by the chosen pooling, but its dropout is kept. Spectra at the ends of a chunk use a reflection
    of the chunk, not its neighbour. Batch norm has torch's constants (momentum 0.1, eps 1e-5), not
    TensorFlow's (0.01, 1e-3), and the first one has no gain and offset. Spectra are not rounded to
    16-bit floats, as the authors do in testing. Training on one stretch of each clip at a time is
    set by `data.crop_seconds`, and L2 decay of the kernels by the optimizer.

    With `weights` the encoder starts from a trained model of the authors. In evaluation it computes
    the same as the front and mid end of that model, except for the ends of chunks and the 16-bit
    floats named above. Its first batch norm then keeps its mean and deviation while the encoder is
    trained, as gain and offset of the authors' are part of them.

    Args:
        num_features: Not used; sound has no features.
        num_instances: Not used; clips may have any length.
        sample_rate: Sample rate of the sound, in Hz.
        chunk_samples: Number of samples that are embedded together; at least 128 frames of 256,
            otherwise the longest filter would see mostly padding.
        mid_filters: Number of filters of each of the three convolutions over time; 512 in
            MSD_musicnn_big.
        dropout: Probability of dropping a unit of the embedding.
        weights: What to start from: "mtt", trained on MagnaTagATune; "msd", on the Million Song
            Dataset; None for new weights. They are read from the files of the package musicnn
            0.1.0, see `musicssl.encoders.pretrained.musicnn`.
        weights_folder: Folder that holds these files; None for the installed package.
        spec_augment: Hides parts of the spectra while training; None for nothing.

    Raises:
        InputError: If a chunk is shorter than the longest filter, or the weights are for another
            sample rate or number of filters, or cannot be read.
    """

    norm: nn.BatchNorm2d

    def __init__(
        self,
        num_features: int | None = None,
        num_instances: int | None = None,
        sample_rate: int = 16_000,
        chunk_samples: int = 187 * _HOP,
        mid_filters: int = 64,
        dropout: float = 0.5,
        weights: str | None = None,
        weights_folder: Path | str | None = None,
        spec_augment: SpecAugment | None = None,
    ) -> None:
        front = [
            *(Filters(204, bands, frames=7) for bands in (38, 67)),  # 0.4 and 0.7 of the bands
            *(Filters(51, 1, frames) for frames in (128, 64, 32)),
        ]
        width = sum(filters.count for filters in front)
        super().__init__(
            LogMelFrontend(sample_rate, _NUM_MELS, 512, _HOP, "log10_10000", bands="slaney"),
            chunk_samples,
            embed_dim=width + 3 * mid_filters,
            least_frames=128,
            spec_augment=spec_augment,
        )
        self.front = nn.ModuleList(front)
        self.mid = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(width_in, mid_filters, kernel_size=7, padding=3),
                nn.ReLU(inplace=True),
                nn.BatchNorm1d(mid_filters),
            )
            for width_in in (width, mid_filters, mid_filters)
        )
        self.dropout = Dropout(dropout)
        if weights is not None:
            published.check_fit(
                weights, _PUBLISHED, sample_rate=sample_rate, mid_filters=mid_filters
            )
            self.keeps_norm = True
            tensors = published.read_weights(weights, weights_folder)
            published.fill(self.norm, [*self.front, *self.mid], tensors)

    def blocks_in_order(self) -> list[nn.Module]:
        """Return the parts from the input to the output; the filters of the front are parallel."""
        return [self.norm, self.front, *self.mid]

    def embed_spectra(self, spectra: Tensor) -> Tensor:
        """Embed normalised spectra, (K, 1, F, T) -> (K, T, D): an instance is a frame."""
        front = torch.cat([filters(spectra) for filters in self.front], dim=1)  # (K, 561, T)
        first = self.mid[0](front)  # (K, M, T)
        second = first + self.mid[1](first)
        third = second + self.mid[2](second)
        dense = torch.cat([front, first, second, third], dim=1)  # (K, D, T)
        embedded: Tensor = self.dropout(dense.transpose(1, 2))
        return embedded


class Filters(nn.Module):
    """Filters of one shape, followed by the maximum over frequency.

    Frequency is not padded, so every output uses the whole filter. Time is padded with zeros, so
    that the number of frames does not change; a filter of even length sees one frame more after the
    current frame than before it, as in TensorFlow.

    Args:
        count: Number of filters, C.
        bands: Height of a filter.
        frames: Length of a filter.
    """

    def __init__(self, count: int, bands: int, frames: int) -> None:
        super().__init__()
        self.count = count
        before = (frames - 1) // 2
        self.layers = nn.Sequential(
            nn.ZeroPad2d((before, frames - 1 - before, 0, 0)),
            nn.Conv2d(1, count, kernel_size=(bands, frames)),
            nn.ReLU(inplace=True),
            nn.BatchNorm2d(count),
        )

    def forward(self, spectra: Tensor) -> Tensor:
        """Filter spectra, (K, 1, F, T) -> (K, C, T)."""
        # The maximum comes after batch norm, which may invert the sign of a channel.
        outputs: Tensor = self.layers(spectra)  # (K, C, F', T)
        return outputs.amax(dim=2)
