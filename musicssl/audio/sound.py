"""The interface through which the data module reads sound, from files or from a clip store."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Sound(Protocol):
    """N recordings, mono, at one rate, read by row."""

    @property
    def sample_rate(self) -> int:
        """Sample rate, in Hz."""

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Number of samples of each recording, (N,), each at least 1."""

    @property
    def fingerprint(self) -> str:
        """A name for all samples: the same in every process, different for other samples."""

    def content(self) -> tuple[str, str]:
        """Say where the samples are, and return a hash that a copy of that place has too.

        Returns:
            "files" or "a clip store", or another place; and the hash.
        """

    def read(
        self, rows: NDArray[np.int64], starts: NDArray[np.int64], num_samples: int
    ) -> NDArray[np.float32]:
        """Read a stretch from each of several recordings.

        Args:
            rows: Index of each recording, (B,); an index may occur more than once.
            starts: First sample of each stretch, (B,), inside its recording.
            num_samples: Length of the stretches, S.

        Returns:
            Samples in [-1, 1], (B, S) float32, zeros past the end of a recording.
        """
