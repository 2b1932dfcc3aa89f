"""Log-mel spectra of the kind that Kaldi and the networks of EAsT use."""

import warnings

import torch
from torch import Tensor
from torch.nn.functional import pad
from torchaudio.compliance.kaldi import get_mel_banks

from musicssl.audio.log_mel import LogMelFrontend

_N_FFT, _WINDOW, _HOP = 1024, 800, 320  # samples
_PRE_EMPHASIS = 0.97
_LOWEST = 20.0  # Hz
_FLOOR = 1e-5  # added to the power in a band
_MEAN, _DEVIATION = -3.7, 3.1  # of the logarithms, as published


class KaldiLogMelFrontend(LogMelFrontend):
    """Turn chunks of sound into the spectra of EAsT, whose mean is about 0 and deviation about 1.

    Ding and Lerch 2023, https://arxiv.org/abs/2306.17424, in the form of the authors' code:
    pre-emphasis, y_n = x_n - 0.97 x_{n-1}; windows of 800 samples (Hann), 320 apart, zero-padded to
    1,024; Kaldi's triangles from 20 Hz to half the sample rate; (log(power + 1e-5) + 3.7) / 3.1.
    The authors move both ends of the range of frequencies at random in training; here they stay.

    A chunk of S samples has S / 320 frames, rounded up, because pre-emphasis takes the first one.

    Args:
        sample_rate: Sample rate of the sound, in Hz.
        num_mels: Number of bands, F.
    """

    def __init__(self, sample_rate: int, num_mels: int) -> None:
        with warnings.catch_warnings():
            # Of the other bands, which are replaced here.
            warnings.filterwarnings("ignore", "At least one mel filterbank has all zero values")
            super().__init__(sample_rate, num_mels, _N_FFT, _HOP)
        beside = (_N_FFT - _WINDOW) // 2
        self.window = pad(torch.hann_window(_WINDOW, periodic=False), (beside, beside))
        triangles, _ = get_mel_banks(
            num_mels, _N_FFT, sample_rate, _LOWEST, sample_rate / 2, 100.0, -500.0, 1.0
        )  # (F, n_fft / 2): without the bin at half the sample rate; no warping
        self.bands = pad(triangles, (0, 1))

    def num_frames(self, num_samples: int) -> int:
        """Return the number of frames of a chunk.

        >>> KaldiLogMelFrontend(16_000, 96).num_frames(160_000)
        500
        """
        return super().num_frames(num_samples - 1)

    def prepared(self, chunks: Tensor) -> Tensor:
        """Raise high frequencies, (K, S) -> (K, S - 1)."""
        return chunks[:, 1:] - _PRE_EMPHASIS * chunks[:, :-1]

    def compressed(self, power: Tensor) -> Tensor:
        """Take the logarithm of the power in bands, (K, F, T), and standardise it."""
        return ((power + _FLOOR).log() - _MEAN) / _DEVIATION
