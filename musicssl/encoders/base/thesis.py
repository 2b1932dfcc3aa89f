"""The spectra of the networks of Table 2.1 of Gururani's thesis."""

from torch import nn

from musicssl.audio.log_mel import LogMelFrontend
from musicssl.encoders.base.spectral import SpectralEncoder
from musicssl.errors import InputError

NUM_MELS = 96
_HOP, _WINDOW = 512, 2048  # samples: 11.6 and 46.4 ms at 44.1 kHz


class ThesisEncoder(SpectralEncoder):
    """Embed the log-mel spectra of each second: 96 bands and 86 frames at 44.1 kHz.

    Gururani, Summers and Lerch 2018, "Instrument Activity Detection in Polyphonic Music using Deep
    Neural Networks" (ISMIR); sections 2.4.1 and Table 2.1 of Gururani's thesis (2020). The window
    has 46.4 ms, the hop 11.6 ms; levels are in dB. An instance is a second.

    Deviations: levels are mapped to [0, 1] and normalised by a batch norm without parameters, as in
    all encoders of spectra; the thesis does not say how its input was scaled. Of the 87 frames that
    are centred in a second the last is left out, which gives the 86 of the thesis.

    Args:
        sample_rate: Sample rate of the sound, in Hz.
        chunk_samples: Number of samples that become one instance.
        embed_dim: Size of an embedding, D.
        least_frames: Number of frames that the layers need.

    Raises:
        InputError: If a chunk has fewer frames, or is too short for the window.
    """

    def __init__(
        self, sample_rate: int, chunk_samples: int, embed_dim: int, least_frames: int
    ) -> None:
        frontend = LogMelFrontend(sample_rate, NUM_MELS, n_fft=_WINDOW, hop=_HOP)
        super().__init__(frontend, chunk_samples, embed_dim, least_frames)
        self.num_frames = chunk_samples // _HOP
        if self.num_frames < least_frames:
            name = type(self).__module__.rpartition(".")[2]
            raise InputError(
                f"encoder.chunk_samples={chunk_samples} is too short for encoder={name}; "
                f"set it to at least {least_frames * _HOP}."
            )


def thesis_block(width_in: int, width_out: int, pooled: int) -> nn.Sequential:
    """Build a 3 x 3 convolution with bias, batch norm and ELU, and max pooling of both axes."""
    return nn.Sequential(
        nn.Conv2d(width_in, width_out, kernel_size=3, padding=1),
        nn.BatchNorm2d(width_out),
        nn.ELU(),
        nn.MaxPool2d(pooled),
    )
