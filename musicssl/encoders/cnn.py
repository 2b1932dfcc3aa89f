"""CNN: four convolutions on each second of log-mel spectra, for labels in time."""

from itertools import pairwise

from torch import Tensor, nn

from musicssl.audio.log_mel import LogMelFrontend
from musicssl.encoders.base.spectral import SpectralEncoder
from musicssl.networks.layers import Dropout
from musicssl.networks.spec_augment import SpecAugment

NUM_MELS = 128


class CNN(SpectralEncoder):
    """Embed each second by four blocks (convolution, batch norm, ReLU, pooling) and a linear layer.

    One of the three networks, with `encoder=mlp` and `encoder=crnn`, of Gururani, Summers and
    Lerch 2018, "Instrument Activity Detection in Polyphonic Music using Deep Neural Networks"
    (ISMIR), Table 2.1 of Gururani's thesis. The authors train on the activity of instruments in
    each second, and classify 5 s, 10 s or a track by the maximum over its seconds: with chunks of
    one second an instance is a second, and the maximum is `pooling=max`.

    We could not consult the paper or the table: the task and its evaluation are the authors';
    layers, sizes and spectra are ours. There are 912,864 parameters.

    Args:
        num_features: Not used; sound has no features.
        num_instances: Not used; clips may have any length.
        sample_rate: Sample rate of the sound, in Hz.
        chunk_samples: Number of samples that become one instance; at least 16 frames of 320.
        width: Number of filters of the first block; each block has twice as many as the previous
            one, and halves frequency and time.
        embed_dim: Units of the linear layer, D.
        dropout: Probability of dropping a unit before and after the linear layer.
        spec_augment: Hides parts of the spectra while training; None for nothing.

    Raises:
        InputError: If a chunk is too short to be halved by each block.
    """

    def __init__(
        self,
        num_features: int | None = None,
        num_instances: int | None = None,
        sample_rate: int = 16_000,
        chunk_samples: int = 16_000,
        width: int = 32,
        embed_dim: int = 256,
        dropout: float = 0.5,
        spec_augment: SpecAugment | None = None,
    ) -> None:
        widths = (width, 2 * width, 4 * width, 8 * width)
        super().__init__(
            LogMelFrontend(sample_rate, NUM_MELS, n_fft=2048, hop=320),
            chunk_samples,
            embed_dim,
            least_frames=2 ** len(widths),
            spec_augment=spec_augment,
        )
        self.blocks = nn.Sequential(
            *(conv_block(*pair, pooled=(2, 2)) for pair in pairwise((1, *widths)))
        )
        bands_left = NUM_MELS // 2 ** len(widths)
        self.head = nn.Sequential(
            Dropout(dropout),
            nn.Linear(widths[-1] * bands_left, embed_dim),
            nn.ReLU(inplace=True),
            Dropout(dropout),
        )
        self.store_channels_last()

    def embed_spectra(self, spectra: Tensor) -> Tensor:
        """Embed normalised spectra, (K, 1, F, T) -> (K, 1, D)."""
        maps = self.blocks(spectra)  # (K, C, F', T')
        embedded: Tensor = self.head(maps.mean(dim=3).flatten(1))  # (K, D)
        return embedded.unsqueeze(1)


def conv_block(width_in: int, width_out: int, pooled: tuple[int, int]) -> nn.Sequential:
    """Build a 3 x 3 convolution with batch norm and ReLU, and max pooling by (bands, frames)."""
    return nn.Sequential(
        # Batch norm would remove a bias.
        nn.Conv2d(width_in, width_out, kernel_size=3, padding=1, bias=False),
        nn.BatchNorm2d(width_out),
        nn.MaxPool2d(pooled),
        nn.ReLU(inplace=True),  # after the pooling: the same result from fewer values
    )
