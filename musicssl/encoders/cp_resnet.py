"""CP-ResNet: a residual network with a small receptive field, the student of EAsT on OpenMIC."""

import math

from torch import Tensor, nn

from musicssl.audio.kaldi_log_mel import KaldiLogMelFrontend
from musicssl.encoders.base.spectral import SpectralEncoder

NUM_MELS = 128
# Kernel sizes of the two convolutions of each block, for the receptive field rho = 7.
KERNELS = (
    ((3, 1), (3, 3), (3, 3), (3, 3)),
    ((3, 1), (1, 3), (1, 3), (1, 3)),
    ((1, 1), (1, 1), (1, 1), (1, 1)),
)
_POOLED_AFTER = (0, 1, 3)  # blocks of the first stage


class CPResNet(SpectralEncoder):
    """Embed chunks by three stages of four residual blocks, and average over frequency.

    Koutini, Eghbal-zadeh, Dorfer and Widmer 2019, https://arxiv.org/abs/1907.01803, with rho = 7,
    as Ding and Lerch 2023, https://arxiv.org/abs/2306.17424, train it on OpenMIC: a 5 x 5
    convolution with stride 2 and 128 filters; stages with 128, 256 and 512 filters, the first with
    2 x 2 max pooling after its blocks 1, 2 and 4; most kernels of the second and all of the third
    stage are 1 x 1, so that an instance sees little time and few bands. A linear layer on the mean
    over frequency and time follows, which is `pooling=mean`. Blocks start as in Fixup (Zhang,
    Dauphin and Ma 2019, https://arxiv.org/abs/1901.09321): the first convolution is scaled by
    12^-1/2 for 12 blocks, the second is zero. (In the authors' code the factor depends on how many
    networks a process has built.) There are 5,524,352 parameters;
    the linear layer for 20 classes makes them 5,534,612.

    Spectra: see `musicssl.audio.kaldi_log_mel`; 128 bands, of sound at 32 kHz in the paper. Their
    random masks of bands and frames are not part of the encoder. A chunk of 10 s becomes 62
    instances.

    Args:
        num_features: Not used; sound has no features.
        num_instances: Not used; clips may have any length.
        sample_rate: Sample rate of the sound, in Hz.
        chunk_samples: Number of samples that are embedded together; at least 16 frames of 320.
        width: Number of filters of the first stage; D is four times as much.

    Raises:
        InputError: If a chunk is too short to become an instance.
    """

    def __init__(
        self,
        num_features: int | None = None,
        num_instances: int | None = None,
        sample_rate: int = 32_000,
        chunk_samples: int = 320_000,
        width: int = 128,
    ) -> None:
        frontend = KaldiLogMelFrontend(sample_rate, NUM_MELS)
        super().__init__(frontend, chunk_samples, embed_dim=4 * width, least_frames=16)
        self.norm = nn.Identity()  # the spectra are standardised by constants
        first = nn.Conv2d(1, width, kernel_size=5, stride=2, padding=2, bias=False)
        nn.init.kaiming_normal_(first.weight, nonlinearity="relu")
        self.stem = nn.Sequential(first, nn.BatchNorm2d(width), nn.ReLU(inplace=True))
        self.stages = nn.ModuleList()
        width_in = width
        for number, kernels in enumerate(KERNELS):
            layers: list[nn.Module] = []
            for place, sizes in enumerate(kernels):
                layers.append(Block(width_in, 2**number * width, *sizes))
                width_in = 2**number * width
                if number == 0 and place in _POOLED_AFTER:
                    layers.append(nn.MaxPool2d(2))
            self.stages.append(nn.Sequential(*layers))

    def embed_spectra(self, spectra: Tensor) -> Tensor:
        """Embed spectra, (K, 1, F, T) -> (K, T / 16, D)."""
        return self._stages(spectra)[-1]

    def embed_with_stages(self, chunks: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Embed chunks of sound, (K, S0), and return the features of the three stages too."""
        stages = self._stages(self.spectra(chunks))
        return stages[-1], stages

    def _stages(self, spectra: Tensor) -> list[Tensor]:
        """Return the maps of each stage, averaged over frequency, (K, T / 16, D_s)."""
        maps, found = self.stem(spectra), []
        for stage in self.stages:
            maps = stage(maps)  # (K, D_s, F / 16, T / 16)
            found.append(maps.mean(dim=2).transpose(1, 2))
        return found


class Block(nn.Module):
    """Two convolutions with batch norm beside a shortcut, and ReLU after each and after the sum.

    Args:
        width_in: Number of channels of the input, C.
        width_out: Number of filters, C'.
        first: Kernel size of the first convolution, 1 or 3.
        second: Kernel size of the second convolution, 1 or 3.
    """

    def __init__(self, width_in: int, width_out: int, first: int, second: int) -> None:
        super().__init__()
        sizes = ((width_in, first), (width_out, second))
        before, after = (
            nn.Conv2d(width, width_out, kernel, padding=kernel // 3, bias=False)
            for width, kernel in sizes
        )
        num_blocks = sum(map(len, KERNELS))
        deviation = math.sqrt(2 / (first**2 * width_out))
        nn.init.normal_(before.weight, std=deviation / math.sqrt(num_blocks))
        nn.init.zeros_(after.weight)
        self.body = nn.Sequential(
            before,
            nn.BatchNorm2d(width_out),
            nn.ReLU(inplace=True),
            after,
            nn.BatchNorm2d(width_out),
        )
        self.shortcut: nn.Module = nn.Identity()
        if width_in != width_out:
            beside = nn.Conv2d(width_in, width_out, kernel_size=1, bias=False)
            nn.init.normal_(beside.weight, std=math.sqrt(2 / width_out))
            self.shortcut = nn.Sequential(beside, nn.BatchNorm2d(width_out))

    def forward(self, x: Tensor) -> Tensor:
        """Transform maps, (K, C, F, T) -> (K, C', F, T)."""
        transformed: Tensor = self.body(x) + self.shortcut(x)
        return transformed.relu()
