"""Sound as the data module reads it, whether it lies in files or in a clip store."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Sound(Protocol):
    """N recordings, mono, at one rate, read by row."""

    @property
    def sample_rate(self) -> int:
        """In Hz."""

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Samples of each recording, (N,), each at least 1."""

    @property
    def fingerprint(self) -> str:
        """A name of all these samples, the same in every process; of others it is another."""

    def read(
        self, rows: NDArray[np.int64], starts: NDArray[np.int64], num_samples: int
    ) -> NDArray[np.float32]:
        """Read a stretch of each of some recordings.

        Args:
            rows: Which recordings, (B,); the same one may occur twice.
            starts: The first sample of each stretch, (B,), inside its recording.
            num_samples: Length of the stretches, S.

        Returns:
            Samples in [-1, 1], (B, S) float32, zeros past the end of a recording.
        """
