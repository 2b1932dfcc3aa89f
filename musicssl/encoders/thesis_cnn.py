"""The CNN of Table 2.1 of Gururani's thesis."""

from torch import Tensor, nn

from musicssl.encoders.base.thesis import NUM_MELS, ThesisEncoder, thesis_block

_BLOCKS = ((64, 2), (128, 2), (256, 3), (640, 3))  # filters, and size of the max pooling


class ThesisCNN(ThesisEncoder):
    """Embed each second by four blocks (convolution, batch norm, ELU, pooling) and a linear layer.

    Of 96 x 86 values 640 maps of 2 x 2 remain, which 128 units read. With 18 classes and a linear
    classifier there are 2,177,170 parameters. See `ThesisEncoder` for the input.

    Args:
        num_features: Not used; sound has no features.
        num_instances: Not used; clips may have any length.
        sample_rate: Sample rate of the sound, in Hz.
        chunk_samples: Number of samples that become one instance; at least 36 frames of 512.
        embed_dim: Units of the linear layer, D.

    Raises:
        InputError: If a chunk is too short to be pooled.
    """

    def __init__(
        self,
        num_features: int | None = None,
        num_instances: int | None = None,
        sample_rate: int = 44_100,
        chunk_samples: int = 44_100,
        embed_dim: int = 128,
    ) -> None:
        super().__init__(sample_rate, chunk_samples, embed_dim, least_frames=2 * 2 * 3 * 3)
        blocks, width, bands, frames = [], 1, NUM_MELS, self.num_frames
        for filters, pooled in _BLOCKS:
            blocks.append(thesis_block(width, filters, pooled))
            width, bands, frames = filters, bands // pooled, frames // pooled
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Sequential(
            nn.Flatten(), nn.Linear(width * bands * frames, embed_dim), nn.ELU()
        )

    def embed_spectra(self, spectra: Tensor) -> Tensor:
        """Embed normalised spectra, (K, 1, F, T) -> (K, 1, D)."""
        embedded: Tensor = self.head(self.blocks(spectra))  # (K, D)
        return embedded.unsqueeze(1)
