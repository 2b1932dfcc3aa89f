"""The CRNN of Table 2.1 of Gururani's thesis."""

from itertools import pairwise

from torch import Tensor, nn

from musicssl.encoders.base.thesis import NUM_MELS, ThesisEncoder, thesis_block

_FILTERS = (64, 128, 256, 256)
_POOLED = 2


class ThesisCRNN(ThesisEncoder):
    """Embed each second by four blocks (convolution, batch norm, ELU, pooling) and a GRU.

    Of 86 frames five steps remain, each of 256 maps of 6 bands; the embedding is the last output of
    a GRU in one direction. With 18 classes and a linear classifier there are 2,343,570 parameters.
    See `ThesisEncoder` for the input.

    Args:
        num_features: Not used; sound has no features.
        num_instances: Not used; clips may have any length.
        sample_rate: Sample rate of the sound, in Hz.
        chunk_samples: Number of samples that become one instance; at least 16 frames of 512.
        hidden: Units of the GRU, D.

    Raises:
        InputError: If a chunk is too short to be pooled.
    """

    def __init__(
        self,
        num_features: int | None = None,
        num_instances: int | None = None,
        sample_rate: int = 44_100,
        chunk_samples: int = 44_100,
        hidden: int = 256,
    ) -> None:
        reduction = _POOLED ** len(_FILTERS)
        super().__init__(sample_rate, chunk_samples, embed_dim=hidden, least_frames=reduction)
        pairs = pairwise((1, *_FILTERS))
        self.blocks = nn.Sequential(*(thesis_block(*pair, pooled=_POOLED) for pair in pairs))
        self.gru = nn.GRU(_FILTERS[-1] * (NUM_MELS // reduction), hidden, batch_first=True)

    def embed_spectra(self, spectra: Tensor) -> Tensor:
        """Embed normalised spectra, (K, 1, F, T) -> (K, 1, D)."""
        steps = self.blocks(spectra).flatten(1, 2).transpose(1, 2)  # (K, T', C F')
        outputs: Tensor = self.gru(steps)[0]  # (K, T', D)
        return outputs[:, -1:]
