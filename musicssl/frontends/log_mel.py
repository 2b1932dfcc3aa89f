"""Log-mel spectra of chunks of sound, computed on the device, so that one clip store serves all."""

from typing import Literal

import torch
from torch import Tensor, nn
from torchaudio.functional import melscale_fbanks, spectrogram

from musicssl.errors import InputError


class LogMelFrontend(nn.Module):
    """Turn chunks of sound into log-mel spectra, from 0 Hz to half the sample rate.

    Nothing is learnt and nothing is kept in a checkpoint. Values are float32 whatever the precision
    of training: in bfloat16 a spectrum of 16-bit sound has no digits left.

    Args:
        sample_rate: Of the sound, in Hz.
        num_mels: Bands, F.
        n_fft: Length of the window (Hann), in samples.
        hop: Samples between two frames.
        compression: Of the power S in a band. "log10_10000": log10(10000 S + 1), as Choi et al.
            2018, https://arxiv.org/abs/1709.01922, call it, and musicnn uses. "db": decibels
            relative to a full-scale sine, `floor_db` mapped to 0 and 0 dB to 1 and clipped in
            between, exactly the frames of `musicssl.features.log_mel.LogMel`.
        bands: "htk": triangles of height 1, as `LogMel` and torchaudio have them. "slaney": linear
            below 1 kHz and of equal area, as librosa has them, and therefore musicnn. The power of
            such a band is 20 to 250 times less, which "log10_10000" does not undo.
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
        """Count the frames of a chunk: frame t is centred on sample t * hop.

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
            window = self.window.float()  # the module may have been asked to be of another type
            power = spectrogram(
                chunks.float(),
                pad=0,
                window=window,
                n_fft=self.n_fft,
                hop_length=self.hop,
                win_length=self.n_fft,
                power=2.0,
                normalized=False,
            )  # (K, n_fft / 2 + 1, T)
            return self._compressed(self.bands.float() @ power, window)

    def _compressed(self, power: Tensor, window: Tensor) -> Tensor:
        if self.compression == "log10_10000":
            return torch.log10(10_000 * power + 1)
        full_scale = (window.sum() / 2) ** 2  # power of a full-scale sine in its bin
        decibels = 10 * torch.log10(power.clamp_min(1e-12) / full_scale)
        return (1 - decibels / self.floor_db).clamp(0, 1)
