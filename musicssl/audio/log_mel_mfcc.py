"""Log-mel spectra and MFCC side by side, as instances on disk."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from musicssl.audio.instance_features import FrameStatistics
from musicssl.audio.log_mel import LogMel
from musicssl.audio.mfcc import MFCC

_DECIBELS = 80.0  # that are 1 in both parts


@dataclass(frozen=True)
class LogMelMFCC(FrameStatistics):
    """Turn audio into instances: statistics of log-mel spectra and of MFCC.

    A mean over time keeps of a spectrum what is linear in it. The deviations of MFCC, which are
    sums over bands, say in addition how bands change together, and those of slopes how fast. A
    frame is that of `LogMel`, in [0, 1], followed by that of `MFCC`, divided by 80 dB. For the
    durations and the statistics see `FrameStatistics`.

    Attributes:
        num_mels: Number of mel bands, of both parts.
        num_coefficients: Number of MFCC.
        n_fft: Window length in samples (Hann).

    Raises:
        InputError: See `FrameStatistics` and `MFCC`.
    """

    kind: ClassVar[str] = "log_mel_mfcc"
    version: ClassVar[int] = 1

    frames_per_second: int = 40
    statistics: Sequence[str] = ("mean", "std", "delta_std")
    num_mels: int = 128
    num_coefficients: int = 20
    n_fft: int = 2048

    def __post_init__(self) -> None:
        super().__post_init__()
        self._mfcc  # noqa: B018 checks its settings

    @property
    def frame_size(self) -> int:
        """Number of values of a frame, B: bands and coefficients."""
        return self.num_mels + self.num_coefficients

    def frames(self, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute bands and coefficients of a clip, (S,) -> (K, B)."""
        parts = [self._log_mel.frames(audio), self._mfcc.frames(audio) / _DECIBELS]
        return np.concatenate(parts, axis=1, dtype=np.float32)

    @cached_property
    def _log_mel(self) -> LogMel:
        return LogMel(
            self.sample_rate,
            self.frames_per_second,
            self.instance_seconds,
            num_mels=self.num_mels,
            n_fft=self.n_fft,
        )

    @cached_property
    def _mfcc(self) -> MFCC:
        return MFCC(
            self.sample_rate,
            self.frames_per_second,
            self.instance_seconds,
            num_coefficients=self.num_coefficients,
            num_mels=self.num_mels,
            n_fft=self.n_fft,
        )
