"""Mel-frequency cepstral coefficients, as instances on disk."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import torchaudio
from numpy.typing import NDArray

from musicssl.audio.instance_features import FrameStatistics, padded_to_window
from musicssl.errors import InputError


@dataclass(frozen=True)
class MFCC(FrameStatistics):
    """Turn audio into instances: statistics of the MFCC of every stretch of a clip.

    The coefficients are those of librosa, except that clips are reflected at their ends: power in
    mel bands of equal area (Slaney), in decibels, down to 80 dB below the loudest value of the
    clip, and of these the discrete cosine transform (type 2, orthonormal). Their scale is decibels:
    from a few to some hundred. For the durations and the statistics see `FrameStatistics`.

    Attributes:
        num_coefficients: Number of coefficients, B, from the zeroth on.
        num_mels: Number of bands between 0 Hz and half the sample rate.
        n_fft: Window length in samples (Hann).

    Raises:
        InputError: If there are more coefficients than bands; see also `FrameStatistics`.
    """

    kind: ClassVar[str] = "mfcc"
    is_local: ClassVar[bool] = False  # on the loudest value of the clip too
    version: ClassVar[int] = 1

    frames_per_second: int = 40
    statistics: Sequence[str] = ("mean", "std", "delta_std")
    num_coefficients: int = 20
    num_mels: int = 128
    n_fft: int = 2048

    def __post_init__(self) -> None:
        super().__post_init__()
        check_coefficients(self.num_coefficients, self.num_mels)

    @property
    def frame_size(self) -> int:
        """Number of coefficients, B."""
        return self.num_coefficients

    def frames(self, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute the coefficients of a clip, (S,) -> (K, B)."""
        coefficients: NDArray[np.float32] = self._cepstrum(
            padded_to_window(audio, self.n_fft)
        ).T.numpy()
        return coefficients

    @cached_property
    def _cepstrum(self) -> torchaudio.transforms.MFCC:
        spectrum = {
            "n_fft": self.n_fft,
            "hop_length": self.hop,
            "n_mels": self.num_mels,
            "norm": "slaney",
            "mel_scale": "slaney",
        }
        return torchaudio.transforms.MFCC(
            self.sample_rate, self.num_coefficients, melkwargs=spectrum
        )


def check_coefficients(num_coefficients: int, num_mels: int) -> None:
    """Check that the number of coefficients fits the number of bands.

    Raises:
        InputError: If not.
    """
    if not 1 <= num_coefficients <= num_mels:
        raise InputError(
            f"features.num_coefficients must be from 1 to features.num_mels={num_mels}, "
            f"got {num_coefficients}."
        )
