"""Log-mel statistics: mean and deviation of each band, without parameters."""

import torch
from torch import Tensor

from musicssl.audio.log_mel import LogMelFrontend
from musicssl.encoders.base.audio import AudioEncoder


class LogMelStatistics(AudioEncoder):
    """Embed each second by the mean and the standard deviation of each log-mel band over time.

    The baseline that learnt encoders have to beat. There is no batch norm either: the spectra are
    those of `encoder=cnn`, 0 at 80 dB below a full-scale sine and 1 at full scale.

    Args:
        num_features: Not used; sound has no features.
        num_instances: Not used; clips may have any length.
        sample_rate: Sample rate of the sound, in Hz.
        chunk_samples: Number of samples that become one instance; at least half a window of 2048,
            plus 1. A shorter clip is padded with silence, which enters the statistics.
        num_mels: Number of bands, F; an embedding has 2 F features: means, then deviations.
    """

    def __init__(
        self,
        num_features: int | None = None,
        num_instances: int | None = None,
        sample_rate: int = 16_000,
        chunk_samples: int = 16_000,
        num_mels: int = 128,
    ) -> None:
        super().__init__(chunk_samples, embed_dim=2 * num_mels)
        self.frontend = LogMelFrontend(sample_rate, num_mels, n_fft=2048, hop=320)
        self.num_frames = -(-chunk_samples // self.frontend.hop)  # frames centred in the chunk

    def embed(self, chunks: Tensor) -> Tensor:
        """Embed chunks of sound, (K, S0) -> (K, 1, 2 F).

        Raises:
            InputError: If a chunk is too short for the window.
        """
        spectra = self.frontend(chunks)[..., : self.num_frames]  # (K, F, T)
        deviations, means = torch.std_mean(spectra, dim=2, correction=0)  # (K, F) each
        return torch.cat([means, deviations], dim=1).unsqueeze(1)
