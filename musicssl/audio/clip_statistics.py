"""Statistics of whole clips, the input of simple baselines."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicssl.audio.log_mel import LogMel
from musicssl.audio.mfcc import MFCC

_OF_LOG_MEL = ("mean", "std")
_OF_MFCC = ("mean", "std", "delta_mean", "delta_std")
_WHOLE = 1e9  # seconds, longer than any clip


@dataclass(frozen=True)
class ClipStatistics:
    """Turn each clip into one instance: statistics of its log-mel spectra and of its MFCC.

    One pass over the files serves all baselines, which read the columns that they need.

    Attributes:
        sample_rate: Sample rate of the audio, in Hz.
    """

    sample_rate: int = 16_000

    @property
    def num_features(self) -> int:
        """Number of statistics, 336."""
        return self._log_mel.num_features + self._mfcc.num_features

    @property
    def hop_seconds(self) -> float:
        """Duration that no clip reaches: each is one instance."""
        return _WHOLE

    @property
    def are_tiles(self) -> bool:
        """False: labels in time are no labels of whole clips."""
        return False

    @property
    def columns(self) -> dict[str, slice]:
        """Columns of "log_mel", "mfcc" and "both" of them.

        There are 256 of log-mel spectra, means and standard deviations, and 80 of MFCC, the same
        and those of slopes.
        """
        middle, end = self._log_mel.num_features, self.num_features
        return {"log_mel": slice(middle), "mfcc": slice(middle, end), "both": slice(end)}

    def settings(self) -> dict[str, Any]:
        """Return every setting that the values depend on, for the name of a cache."""
        parts = {"log_mel": self._log_mel.settings(), "mfcc": self._mfcc.settings()}
        return {"kind": "clip_statistics", **parts}

    def __call__(self, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute the statistics of a clip, (S,) -> (1, 336) float32.

        Raises:
            InputError: If the clip is empty.
        """
        return np.concatenate([self._log_mel(audio), self._mfcc(audio)], axis=1)

    @cached_property
    def _log_mel(self) -> LogMel:
        return LogMel(self.sample_rate, instance_seconds=_WHOLE, statistics=_OF_LOG_MEL)

    @cached_property
    def _mfcc(self) -> MFCC:
        return MFCC(self.sample_rate, instance_seconds=_WHOLE, statistics=_OF_MFCC)
