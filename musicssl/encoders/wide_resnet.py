"""Wide ResNet on log-mel spectra, the network of benchmarks of semi-supervised learning."""

from torch import Tensor, nn

from musicssl.audio.log_mel import LogMelFrontend
from musicssl.encoders.base.spectral import SpectralEncoder
from musicssl.errors import InputError
from musicssl.networks.layers import Dropout
from musicssl.networks.spec_augment import SpecAugment

NUM_MELS = 64
WIDTHS = (16, 32, 64)  # of the three groups of a ResNet for small images


class WideResNet(SpectralEncoder):
    """Embed chunks by three groups of residual blocks and a mean over bands and frames.

    Zagoruyko and Komodakis 2016, https://arxiv.org/abs/1605.07146, table 1: a convolution with 16
    filters, and three groups of (depth - 4) / 6 blocks with 16 k, 32 k and 64 k filters, the second
    and the third with stride 2. A block is batch norm, ReLU and 3 x 3 convolution, twice; where the
    number of filters changes, the shortcut is a 1 x 1 convolution of the first ReLU, as in the
    authors' code. WRN-28-2 is the network of FixMatch and, on log-mel spectra, of the benchmark of
    semi-supervised learning on audio, https://arxiv.org/abs/2102.08183. There are 1,466,032
    parameters: the 1,467,610 of the network for three colours and ten classes, less two colours and
    the last layer, which the pooling has.

    Spectra have 64 bands in dB, from windows of 1,024 samples, 512 apart. A chunk becomes one
    instance.

    Args:
        num_features: Not used; sound has no features.
        num_instances: Not used; clips may have any length.
        sample_rate: Sample rate of the sound, in Hz.
        chunk_samples: Number of samples that are embedded together; at least four frames of 512.
        depth: Number of convolutions, 6 n + 4 for n blocks in a group.
        widen: Factor of the number of filters, k; D is 64 k.
        dropout: Probability of dropping a unit between the convolutions of a block.
        spec_augment: Hides parts of the spectra while training; None for nothing.

    Raises:
        InputError: If there is no such depth or width, or a chunk is too short.
    """

    def __init__(
        self,
        num_features: int | None = None,
        num_instances: int | None = None,
        sample_rate: int = 16_000,
        chunk_samples: int = 80_000,
        depth: int = 28,
        widen: int = 2,
        dropout: float = 0.0,
        spec_augment: SpecAugment | None = None,
    ) -> None:
        if depth < 10 or (depth - 4) % 6:
            raise InputError(f"encoder.depth must be 10, 16, 22, 28 and so on, got {depth}.")
        if widen < 1:
            raise InputError(f"encoder.widen must be 1 or more, got {widen}.")
        embed_dim = WIDTHS[-1] * widen
        super().__init__(
            LogMelFrontend(sample_rate, NUM_MELS, n_fft=1024, hop=512),
            chunk_samples,
            embed_dim,
            least_frames=4,
            spec_augment=spec_augment,
        )
        blocks, width_in = [], WIDTHS[0]
        for group, base in enumerate(WIDTHS):
            for number in range((depth - 4) // 6):
                stride = 2 if group > 0 and number == 0 else 1
                blocks.append(PreActivationBlock(width_in, base * widen, stride, dropout))
                width_in = base * widen
        self.blocks = nn.Sequential(
            nn.Conv2d(1, WIDTHS[0], kernel_size=3, padding=1, bias=False),
            *blocks,
            nn.BatchNorm2d(embed_dim),
            nn.ReLU(inplace=True),
        )
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        self.store_channels_last()

    def embed_spectra(self, spectra: Tensor) -> Tensor:
        """Embed normalised spectra, (K, 1, F, T) -> (K, 1, D)."""
        maps: Tensor = self.blocks(spectra)  # (K, D, F / 4, T / 4)
        return maps.mean(dim=(2, 3)).unsqueeze(1)


class PreActivationBlock(nn.Module):
    """Batch norm, ReLU and convolution, twice, beside a shortcut.

    Args:
        width_in: Number of channels of the input, C.
        width_out: Number of filters, C'.
        stride: Stride of the first convolution and of the shortcut.
        dropout: Probability of dropping a unit before the second convolution.
    """

    def __init__(self, width_in: int, width_out: int, stride: int, dropout: float) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.BatchNorm2d(width_in), nn.ReLU(inplace=True))
        self.body = nn.Sequential(
            nn.Conv2d(width_in, width_out, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(width_out),
            nn.ReLU(inplace=True),
            Dropout(dropout),
            nn.Conv2d(width_out, width_out, 3, padding=1, bias=False),
        )
        self.shortcut: nn.Conv2d | None = None
        if (width_in, stride) != (width_out, 1):
            self.shortcut = nn.Conv2d(width_in, width_out, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Transform maps, (K, C, F, T) -> (K, C', F / stride, T / stride), rounded up."""
        activated: Tensor = self.first(x)
        beside = x if self.shortcut is None else self.shortcut(activated)
        transformed: Tensor = self.body(activated)
        return transformed + beside
