"""MLP: fully connected layers on all log-mel spectra of each second."""

from itertools import pairwise

from torch import Tensor, nn

from musicssl.audio.log_mel import LogMelFrontend
from musicssl.encoders.base.spectral import SpectralEncoder
from musicssl.networks.layers import Dropout
from musicssl.networks.spec_augment import SpecAugment

_NUM_MELS = 128


class MLP(SpectralEncoder):
    """Embed each second by layers (Linear, ReLU, dropout) on its 50 frames in one long vector.

    The simplest of the networks of Gururani, Summers and Lerch 2018; see
    `musicssl.encoders.cnn.CNN` for their details. The layers are ours. There are 3,605,632
    parameters.

    Args:
        num_features: Not used; sound has no features.
        num_instances: Not used; clips may have any length.
        sample_rate: Sample rate of the sound, in Hz.
        chunk_samples: Number of samples that become one instance.
        hidden: Widths of the layers; the last one is the width of the embedding, D.
        dropout: Probability of dropping a unit after each layer.
        spec_augment: Hides parts of the spectra while training; None for nothing.

    Raises:
        InputError: If a chunk is too short for the window of a spectrum.
    """

    def __init__(
        self,
        num_features: int | None = None,
        num_instances: int | None = None,
        sample_rate: int = 16_000,
        chunk_samples: int = 16_000,
        hidden: tuple[int, ...] = (512, 512, 128),
        dropout: float = 0.5,
        spec_augment: SpecAugment | None = None,
    ) -> None:
        super().__init__(
            LogMelFrontend(sample_rate, _NUM_MELS, n_fft=2048, hop=320),
            chunk_samples,
            embed_dim=hidden[-1],
            least_frames=1,
            spec_augment=spec_augment,
        )
        layers: list[nn.Module] = []
        for width_in, width_out in pairwise((_NUM_MELS * self.num_frames, *hidden)):
            layers += [nn.Linear(width_in, width_out), nn.ReLU(inplace=True), Dropout(dropout)]
        self.layers = nn.Sequential(*layers)

    def embed_spectra(self, spectra: Tensor) -> Tensor:
        """Embed normalised spectra, (K, 1, F, T) -> (K, 1, D)."""
        embedded: Tensor = self.layers(spectra.flatten(1))  # (K, D)
        return embedded.unsqueeze(1)
