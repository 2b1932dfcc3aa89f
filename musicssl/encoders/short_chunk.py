"""Short-chunk CNN: small filters and residual connections on a few seconds of log-mel spectra."""

import warnings
from itertools import pairwise

from torch import Tensor, nn

from musicssl.audio.log_mel import LogMelFrontend
from musicssl.encoders.base.spectral import SpectralEncoder
from musicssl.networks.layers import Dropout
from musicssl.networks.spec_augment import SpecAugment


class ShortChunk(SpectralEncoder):
    """Embed chunks by seven residual blocks, each of which halves frequency and time.

    The short-chunk CNN with residual connections of Won, Ferraro, Bogdanov and Serra 2020,
    https://arxiv.org/abs/2006.00751, checked against the authors' code (ShortChunkCNN_Res): 128 mel
    bands from windows of 512 samples, 256 apart, in dB; batch norm; blocks of two 3 x 3
    convolutions beside a third, with 128, 128, 256, 256, 256, 256 and 512 filters; chunks of 59,049
    samples, 3.69 s at 16 kHz. Their 231 frames become two instances. There are 11,814,912
    parameters; the authors' back end for 50 tags and the gain and offset of the first batch norm
    would make them 12,104,244.

    Differences: the back end (maximum over time, a hidden layer of 512 units) is replaced by the
    chosen pooling, but its dropout is kept. Levels are cut off 80 dB below a full-scale sine, as in
    `features=log_mel`; the authors' cutoff is at about 140 dB, below the noise of 16-bit audio.
    Chunks of a clip are combined by the pooling; the authors average probabilities.

    Args:
        num_features: Not used; sound has no features.
        num_instances: Not used; clips may have any length.
        sample_rate: Sample rate of the sound, in Hz.
        chunk_samples: Number of samples that are embedded together; at least 128 frames of 256,
            which become one instance.
        width: Number of filters of the first block; the last block has four times as many, D.
        dropout: Probability of dropping a unit of the embedding.
        spec_augment: Hides parts of the spectra while training; None for nothing.

    Raises:
        InputError: If a chunk is too short to become an instance.
    """

    def __init__(
        self,
        num_features: int | None = None,
        num_instances: int | None = None,
        sample_rate: int = 16_000,
        chunk_samples: int = 59_049,
        width: int = 128,
        dropout: float = 0.5,
        spec_augment: SpecAugment | None = None,
    ) -> None:
        with warnings.catch_warnings():
            # One of the lowest bands lies between two bins and is empty, also in the authors' code.
            warnings.filterwarnings("ignore", "At least one mel filterbank has all zero values")
            frontend = LogMelFrontend(sample_rate, num_mels=128, n_fft=512, hop=256)
        super().__init__(
            frontend,
            chunk_samples,
            embed_dim=4 * width,
            least_frames=2**7,
            spec_augment=spec_augment,
        )
        widths = (1, width, width, *[2 * width] * 4, 4 * width)
        self.blocks = nn.Sequential(*(ResidualBlock(*pair) for pair in pairwise(widths)))
        self.dropout = Dropout(dropout)
        self.store_channels_last()

    def embed_spectra(self, spectra: Tensor) -> Tensor:
        """Embed normalised spectra, (K, 1, 128, T) -> (K, T', D), T' = T / 128, rounded up."""
        embedded: Tensor = self.dropout(self.blocks(spectra))  # (K, D, 1, T')
        return embedded.squeeze(2).transpose(1, 2)


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions with a third as the shortcut; both axes are halved and rounded up.

    Args:
        width_in: Number of channels of the input, C.
        width_out: Number of filters of each convolution, C'.
    """

    def __init__(self, width_in: int, width_out: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width_in, width_out, kernel_size=3, stride=2, padding=1),
            nn.BatchNorm2d(width_out),
            nn.ReLU(inplace=True),
            nn.Conv2d(width_out, width_out, kernel_size=3, padding=1),
            nn.BatchNorm2d(width_out),
        )
        self.shortcut = nn.Sequential(
            nn.Conv2d(width_in, width_out, kernel_size=3, stride=2, padding=1),
            nn.BatchNorm2d(width_out),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Transform maps, (K, C, F, T) -> (K, C', F / 2, T / 2)."""
        transformed: Tensor = self.body(x) + self.shortcut(x)
        return transformed.relu()
