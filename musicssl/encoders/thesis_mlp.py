"""The MLP of Table 2.1 of Gururani's thesis."""

from itertools import pairwise

from torch import Tensor, nn

from musicssl.encoders.base.thesis import NUM_MELS, ThesisEncoder
from musicssl.networks.layers import Dropout


class ThesisMLP(ThesisEncoder):
    """Embed each second by four layers (Linear, ELU, dropout) on all its frames in one long vector.

    With 18 classes and a linear classifier there are 2,315,794 parameters. Table 2.1 gives widths
    and dropout; ELU is that of the convolutions beside it. See `ThesisEncoder` for the input.

    Args:
        num_features: Not used; sound has no features.
        num_instances: Not used; clips may have any length.
        sample_rate: Sample rate of the sound, in Hz.
        chunk_samples: Number of samples that become one instance.
        width: Units of each layer, D.
        dropout: Probability of dropping a unit after each layer; half are kept in the thesis.

    Raises:
        InputError: If a chunk is too short for the window of a spectrum.
    """

    def __init__(
        self,
        num_features: int | None = None,
        num_instances: int | None = None,
        sample_rate: int = 44_100,
        chunk_samples: int = 44_100,
        width: int = 256,
        dropout: float = 0.5,
    ) -> None:
        super().__init__(sample_rate, chunk_samples, embed_dim=width, least_frames=1)
        layers: list[nn.Module] = []
        for width_in, width_out in pairwise((NUM_MELS * self.num_frames, *(4 * [width]))):
            layers += [nn.Linear(width_in, width_out), nn.ELU(), Dropout(dropout)]
        self.layers = nn.Sequential(*layers)

    def embed_spectra(self, spectra: Tensor) -> Tensor:
        """Embed normalised spectra, (K, 1, F, T) -> (K, 1, D)."""
        embedded: Tensor = self.layers(spectra.flatten(1))  # (K, D)
        return embedded.unsqueeze(1)
