"""Log-mel spectra and their cepstral coefficients side by side, as instances on disk."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from torchaudio.functional import create_dct

from musicssl.audio.instance_features import FrameStatistics
from musicssl.audio.log_mel import LogMel
from musicssl.audio.mfcc import check_coefficients


@dataclass(frozen=True)
class LogMelMFCC(FrameStatistics):
    """Turn audio into instances: statistics of log-mel spectra and of their MFCC.

    A frame is that of `LogMel`, in [0, 1], followed by the first coefficients of its discrete
    cosine transform (type 2, orthonormal). Means of the coefficients say nothing new, but their
    deviations do: they say how bands change together. Unlike those of `MFCC`, the coefficients
    depend on no other part of the clip, so a long recording can be read in pieces. For the
    durations and the statistics see `FrameStatistics`.

    Attributes:
        num_mels: Number of mel bands.
        num_coefficients: Number of coefficients, from the zeroth on.
        n_fft: Window length in samples (Hann).
        floor_db: Level in dB below which bands are 0.

    Raises:
        InputError: If there are more coefficients than bands; see also `FrameStatistics`.
    """

    kind: ClassVar[str] = "log_mel_mfcc"
    version: ClassVar[int] = 1

    frames_per_second: int = 40
    statistics: Sequence[str] = ("mean", "std", "delta_std")
    num_mels: int = 128
    num_coefficients: int = 20
    n_fft: int = 2048
    floor_db: float = -80.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_coefficients(self.num_coefficients, self.num_mels)

    @property
    def frame_size(self) -> int:
        """Number of values of a frame, B: bands and coefficients."""
        return self.num_mels + self.num_coefficients

    def frames(self, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute bands and coefficients of a clip, (S,) -> (K, B)."""
        bands = self._log_mel.frames(audio)
        return np.concatenate([bands, bands @ self._transform], axis=1)

    @cached_property
    def _log_mel(self) -> LogMel:
        return LogMel(
            self.sample_rate,
            self.frames_per_second,
            self.instance_seconds,
            num_mels=self.num_mels,
            n_fft=self.n_fft,
            floor_db=self.floor_db,
        )

    @cached_property
    def _transform(self) -> NDArray[np.float32]:
        matrix: NDArray[np.float32] = create_dct(
            self.num_coefficients, self.num_mels, norm="ortho"
        ).numpy()
        return matrix  # (num_mels, num_coefficients)
