"""CRNN: convolutions and a recurrent layer on each second of log-mel spectra."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from musicssl.audio.log_mel import LogMelFrontend
from musicssl.encoders.base.spectral import SpectralEncoder
from musicssl.encoders.cnn import NUM_MELS, conv_block
from musicssl.networks.layers import Dropout
from musicssl.networks.spec_augment import SpecAugment

_POOLED = ((4, 2), (4, 2), (4, 1))  # size of the max pooling of each block: bands, frames


class CRNN(SpectralEncoder):
    """Embed each second by three convolutions and a bidirectional GRU.

    One of the networks of Gururani, Summers and Lerch 2018; see `musicssl.encoders.cnn.CNN` for
    their details. The layers are ours, in the form of the CRNN of Choi et al. 2017,
    https://arxiv.org/abs/1609.04243: convolutions with max pooling, mostly of frequency, and a GRU
    over the remaining time steps, 12 of 80 ms. The embedding is the last state of both directions.
    There are 216,544 parameters.

    Args:
        num_features: Not used; sound has no features.
        num_instances: Not used; clips may have any length.
        sample_rate: Sample rate of the sound, in Hz.
        chunk_samples: Number of samples that become one instance; at least 4 frames of 320.
        width: Number of filters of the first block; the others have twice and four times as many.
        hidden: Number of units of one direction; the embedding has twice as many, D.
        dropout: Probability of dropping a unit before and after the GRU.
        spec_augment: Hides parts of the spectra while training; None for nothing.

    Raises:
        InputError: If a chunk is too short to be pooled.
    """

    def __init__(
        self,
        num_features: int | None = None,
        num_instances: int | None = None,
        sample_rate: int = 16_000,
        chunk_samples: int = 16_000,
        width: int = 32,
        hidden: int = 64,
        dropout: float = 0.5,
        spec_augment: SpecAugment | None = None,
    ) -> None:
        super().__init__(
            LogMelFrontend(sample_rate, NUM_MELS, n_fft=2048, hop=320),
            chunk_samples,
            embed_dim=2 * hidden,
            least_frames=4,
            spec_augment=spec_augment,
        )
        pairs = pairwise((1, width, 2 * width, 4 * width))
        self.blocks = nn.Sequential(
            *(conv_block(*pair, pooled) for pair, pooled in zip(pairs, _POOLED, strict=True))
        )
        bands_left = NUM_MELS // 4 ** len(_POOLED)
        self.gru = nn.GRU(4 * width * bands_left, hidden, batch_first=True, bidirectional=True)
        self.dropout = Dropout(dropout)
        self.store_channels_last()

    def embed_spectra(self, spectra: Tensor) -> Tensor:
        """Embed normalised spectra, (K, 1, F, T) -> (K, 1, D)."""
        steps = self.blocks(spectra).flatten(1, 2).transpose(1, 2)  # (K, T', C F')
        _, (forward, backward) = self.gru(self.dropout(steps))  # (K, D / 2) each
        embedded: Tensor = self.dropout(torch.cat([forward, backward], dim=1))  # (K, D)
        return embedded.unsqueeze(1)
