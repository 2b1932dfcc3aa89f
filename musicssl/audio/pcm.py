"""16-bit samples and the floats that they stand for."""

import numpy as np
from numpy.typing import NDArray

FULL_SCALE = 32768
"""Steps of 16-bit sound from 0 to 1."""


def quantise(samples: NDArray[np.float32]) -> tuple[NDArray[np.int16], int]:
    """Round samples to 16 bit.

    The error of samples in [-1, 1) is at most 1/65536, half a step, but in the uppermost half step
    below 1, and at 1 itself, where 32767 is the largest number there is: at most 1/32768. What was
    16-bit before comes out as it was.

    Args:
        samples: (S,), finite; full scale is [-1, 1].

    Returns:
        The samples, (S,), and how many of them lay outside of [-1, 1] and were brought to its end.
    """
    steps = samples * np.float32(FULL_SCALE)
    np.rint(steps, out=steps)
    outside = 0
    if steps.max(initial=0) >= FULL_SCALE or steps.min(initial=0) < -FULL_SCALE:
        outside = int(np.count_nonzero(np.abs(samples) > 1))
        np.clip(steps, -FULL_SCALE, FULL_SCALE - 1, out=steps)
    return steps.astype(np.int16), outside
