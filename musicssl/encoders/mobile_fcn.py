"""MobileFCN: a small convolutional network, the student of EAsT on MagnaTagATune."""

from torch import Tensor, nn

from musicssl.audio.kaldi_log_mel import KaldiLogMelFrontend
from musicssl.encoders.base.spectral import SpectralEncoder
from musicssl.errors import InputError
from musicssl.networks.layers import Dropout

_FRAMES = 4 * 3 * 2 * 2 * 2  # that max pooling makes one of


class MobileFCN(SpectralEncoder):
    """Embed chunks by two convolutions and six depthwise-separable ones.

    The network that Ding and Lerch 2023, https://arxiv.org/abs/2306.17424, train on MagnaTagATune:
    the fully convolutional network of Choi, Fazekas and Sandler 2016,
    https://arxiv.org/abs/1606.00298, made smaller by the layers of MobileNet. Each convolution is
    followed by batch norm and ReLU; max pooling takes all bands and 96 frames together by layer 5.
    Dropout follows layers 4, 6 and 8, and a linear layer on the mean over time, which is
    `pooling=mean`. There are 301,248 parameters; the linear layer for 50
    tags makes them 314,098.

    The features of a stage are those of layers 4, 6 and 8 before dropout. Spectra: see
    `musicssl.audio.kaldi_log_mel`; 96 bands, of sound at 16 kHz in the paper. The authors embed a
    clip of 29.1 s at once; here it is cut into chunks, of 10 s and five instances unless
    `chunk_samples` says otherwise, which differ from it at their ends.

    Args:
        num_features: Not used; sound has no features.
        num_instances: Not used; clips may have any length.
        sample_rate: Sample rate of the sound, in Hz.
        chunk_samples: Number of samples that are embedded together; at least 96 frames of 320.
        num_mels: Number of bands, 96 or 128.
        dropout: Probability of dropping a unit after layers 4, 6 and 8.

    Raises:
        InputError: If there is another number of bands, or a chunk is too short to become an
            instance.
    """

    def __init__(
        self,
        num_features: int | None = None,
        num_instances: int | None = None,
        sample_rate: int = 16_000,
        chunk_samples: int = 160_000,
        num_mels: int = 96,
        dropout: float = 0.5,
    ) -> None:
        if num_mels not in (96, 128):
            raise InputError(f"encoder.num_mels must be 96 or 128, got {num_mels}.")
        frontend = KaldiLogMelFrontend(sample_rate, num_mels)
        super().__init__(frontend, chunk_samples, embed_dim=256, least_frames=_FRAMES)
        self.norm = nn.Identity()  # the spectra are standardised by constants
        self.stages = nn.ModuleList(
            [
                nn.Sequential(
                    *_convolved(1, 64, pooled=(2, 4)),
                    *_convolved(64, 128, pooled=(2, 3)),
                    *_separable(128, 128, pooled=(2, 2)),
                    *_separable(128, 128, pooled=(num_mels // 32, 2)),
                ),
                nn.Sequential(*_separable(128, 128, pooled=(4, 2)), *_separable(128, 256)),
                nn.Sequential(*_separable(256, 256), *_separable(256, 256)),
            ]
        )
        self.dropout = Dropout(dropout)
        self.store_channels_last()

    def embed_spectra(self, spectra: Tensor) -> Tensor:
        """Embed spectra, (K, 1, F, T) -> (K, T / 96, D)."""
        return self._stages(spectra)[0]

    def embed_with_stages(self, chunks: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Embed chunks of sound, (K, S0), and return the features of layers 4, 6 and 8 too."""
        return self._stages(self.spectra(chunks))

    def _stages(self, maps: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return embeddings and features of stages, averaged over frequency, (K, T'_s, D_s)."""
        found = []
        for stage in self.stages:
            maps = stage(maps)  # (K, D_s, F', T'_s)
            found.append(maps.mean(dim=2).transpose(1, 2))
            maps = self.dropout(maps)
        return maps.mean(dim=2).transpose(1, 2), found


def _convolved(width_in: int, width_out: int, pooled: tuple[int, int]) -> list[nn.Module]:
    """Build a 3 x 3 convolution with batch norm, ReLU and max pooling by (bands, frames)."""
    return [
        nn.Conv2d(width_in, width_out, kernel_size=3, padding=1, bias=False),
        nn.BatchNorm2d(width_out),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(pooled),
    ]


def _separable(
    width_in: int, width_out: int, pooled: tuple[int, int] | None = None
) -> list[nn.Module]:
    """Build a 3 x 3 convolution of each channel and a 1 x 1 convolution of all, as above."""
    return [
        nn.Conv2d(width_in, width_in, kernel_size=3, padding=1, groups=width_in, bias=False),
        nn.BatchNorm2d(width_in),
        nn.ReLU(inplace=True),
        nn.Conv2d(width_in, width_out, kernel_size=1, bias=False),
        nn.BatchNorm2d(width_out),
        nn.ReLU(inplace=True),
        *([] if pooled is None else [nn.MaxPool2d(pooled)]),
    ]
