"""Log-mel spectra, as instances on disk or as the first layer of an encoder of sound.

`LogMel` computes instances, which are stored once. `LogMelFrontend` is a module that encoders of
sound apply to chunks on the device, so that one clip store serves all of them.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchaudio.functional import melscale_fbanks, spectrogram
from torchaudio.transforms import MelSpectrogram

from musicssl.audio.instance_features import FrameStatistics, padded_to_window
from musicssl.errors import InputError


@dataclass(frozen=True)
class LogMel(FrameStatistics):
    """Turn audio into instances: statistics of the log-mel spectra of every stretch of a clip.

    Values are decibels relative to a full-scale sine, mapped so that `floor_db` is 0 and 0 dB is 1,
    and clipped to [0, 1]: the scale of VGGish bytes divided by 255, which suits the residual
    connection of ATT. Means are therefore in [0, 1], deviations in [0, 0.5]. For the durations and
    the statistics see `FrameStatistics`.

    Attributes:
        num_mels: Number of bands between 0 Hz and half the sample rate, B.
        n_fft: Window length in samples (Hann).
        floor_db: Level in dB below which values are 0.

    Raises:
        InputError: See `FrameStatistics`.
    """

    kind: ClassVar[str] = "log_mel"
    version: ClassVar[int] = 1

    num_mels: int = 128
    n_fft: int = 2048
    floor_db: float = -80.0

    @property
    def frame_size(self) -> int:
        """Number of bands, B."""
        return self.num_mels

    def frames(self, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute the spectra of a clip, (S,) -> (K, num_mels), in [0, 1]."""
        power = self._spectrogram(padded_to_window(audio, self.n_fft)).T  # (K, B)
        decibels = 10 * torch.log10(power.clamp_min(1e-12) / self.full_scale_power)
        scaled: NDArray[np.float32] = (1 - decibels / self.floor_db).clamp(0, 1).numpy()
        return scaled

    @cached_property
    def _spectrogram(self) -> MelSpectrogram:
        return MelSpectrogram(
            self.sample_rate,
            n_fft=self.n_fft,
            hop_length=self.hop,
            n_mels=self.num_mels,
        )

    @cached_property
    def full_scale_power(self) -> float:
        """Power in its bin of a sine of amplitude 1."""
        return float((torch.hann_window(self.n_fft).sum() / 2) ** 2)


class LogMelFrontend(nn.Module):
    """Turn chunks of sound into log-mel spectra, from 0 Hz to half the sample rate.

    The module has no parameters and stores nothing in a checkpoint. It computes in float32 whatever
    the precision of training: bfloat16 has too few digits for a spectrum of 16-bit sound.

    Args:
        sample_rate: Sample rate of the sound, in Hz.
        num_mels: Number of bands, F.
        n_fft: Length of the window (Hann), in samples.
        hop: Number of samples between two frames.
        compression: Compression of the power S in a band. "log10_10000": log10(10000 S + 1), as in
            Choi et al. 2018, https://arxiv.org/abs/1709.01922, and in musicnn. "db": decibels
            relative to a full-scale sine, with `floor_db` mapped to 0 and 0 dB to 1, and clipped to
            [0, 1], exactly the frames of `LogMel`.
        bands: "htk": triangles of height 1, as in `LogMel` and torchaudio. "slaney": linear below
            1 kHz and of equal area, as in librosa and therefore musicnn. The power of such a band
            is 20 to 250 times smaller, which "log10_10000" does not compensate.
        floor_db: Level in dB below which "db" is 0.
    """

    window: Tensor
    bands: Tensor

    def __init__(
        self,
        sample_rate: int,
        num_mels: int,
        n_fft: int,
        hop: int,
        compression: Literal["log10_10000", "db"] = "db",
        bands: Literal["htk", "slaney"] = "htk",
        floor_db: float = -80.0,
    ) -> None:
        super().__init__()
        self.n_fft = n_fft
        self.hop = hop
        self.compression = compression
        self.floor_db = floor_db
        triangles = melscale_fbanks(
            n_fft // 2 + 1,
            f_min=0.0,
            f_max=sample_rate / 2,
            n_mels=num_mels,
            sample_rate=sample_rate,
            norm="slaney" if bands == "slaney" else None,
            mel_scale=bands,
        )  # (n_fft / 2 + 1, F)
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)
        self.register_buffer("bands", triangles.T.contiguous(), persistent=False)

    def num_frames(self, num_samples: int) -> int:
        """Return the number of frames of a chunk; frame t is centred on sample t * hop.

        >>> LogMelFrontend(16_000, 96, 512, 256).num_frames(48_000)
        188
        """
        return 1 + num_samples // self.hop

    def forward(self, chunks: Tensor) -> Tensor:
        """Compute the spectra of chunks, (K, S) -> (K, F, T) float32, T = `num_frames(S)`.

        Raises:
            InputError: If a chunk is too short for the reflection at its ends.
        """
        if chunks.shape[1] <= self.n_fft // 2:
            raise InputError(
                f"a chunk of {chunks.shape[1]} samples is too short for a window of {self.n_fft}; "
                f"set encoder.chunk_samples to at least {self.n_fft // 2 + 1}."
            )
        with torch.autocast(chunks.device.type, enabled=False):
            window = self.window.float()  # the module may have been cast to another type
            power = spectrogram(
                self.prepared(chunks.float()),
                pad=0,
                window=window,
                n_fft=self.n_fft,
                hop_length=self.hop,
                win_length=self.n_fft,
                power=2.0,
                normalized=False,
            )  # (K, n_fft / 2 + 1, T)
            return self.compressed(self.bands.float() @ power)

    def prepared(self, chunks: Tensor) -> Tensor:
        """Return the sound that spectra are computed of, (K, S): the chunks as they are."""
        return chunks

    def compressed(self, power: Tensor) -> Tensor:
        """Compress the power in bands, (K, F, T); see `compression`."""
        if self.compression == "log10_10000":
            return torch.log10(10_000 * power + 1)
        full_scale = (self.window.float().sum() / 2) ** 2  # power of a full-scale sine in its bin
        decibels = 10 * torch.log10(power.clamp_min(1e-12) / full_scale)
        return (1 - decibels / self.floor_db).clamp(0, 1)
