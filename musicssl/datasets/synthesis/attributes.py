"""Numbers that describe a clip exactly: of its notes, and of its sound."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from musicssl.datasets.synthesis.compose import Part

ATTRIBUTES = ("loudness", "density", "parts", "brightness")
_LEAST = 1e-10  # root mean square of silence: -200 dB


def attributes_of(
    parts: Sequence[Part], sound: NDArray[np.floating], sample_rate: int
) -> NDArray[np.float64]:
    """Return the attributes of a clip, (4,), in the order of `ATTRIBUTES`.

    - loudness: Root mean square of the samples, in dB re full scale. Peaks are all the same, so
      that loud clips are those with little difference between peak and mean.
    - density: Notes of all parts that begin, per second.
    - parts: Number of instruments.
    - brightness: Centroid of the power spectrum of the whole clip, in kHz.

    Args:
        parts: The notes.
        sound: What they sound like, (S,), in [-1, 1].
        sample_rate: In Hz.
    """
    samples = np.asarray(sound, np.float64)
    rms = np.sqrt(np.mean(np.square(samples)))
    power = np.square(np.abs(np.fft.rfft(samples)))
    frequencies = np.fft.rfftfreq(len(samples), 1 / sample_rate)
    total = power.sum()
    centroid = (frequencies * power).sum() / total if total > 0 else 0.0
    notes = sum(len(part.starts) for part in parts)
    columns = {part.column for part in parts}
    return np.array(
        [
            20 * np.log10(max(rms, _LEAST)),
            notes * sample_rate / len(samples),
            len(columns),
            centroid / 1000,
        ]
    )
