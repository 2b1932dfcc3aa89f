"""Effects on the sound of a band: reverberation and a spectral tilt."""

import numpy as np
from numpy.typing import NDArray

Audio = NDArray[np.float32]

_ROOM_SECONDS = (0.2, 0.6)  # reverberation time (decay by 60 dB)
_ROOM_DB = (-12.0, 0.0)  # energy of the reverberation relative to the dry sound
_TILT_HZ = 1000.0  # corner frequency of the shelf


def amplitude(decibels: float) -> float:
    """Return the factor of an amplitude for a level in dB.

    >>> amplitude(-20)
    0.1
    """
    return float(10 ** (decibels / 20))


def in_a_room(rng: np.random.Generator, sound: Audio, sample_rate: int) -> Audio:
    """Add a room's reverberation: the sound convolved with exponentially decaying noise.

    Args:
        rng: Generator of the reverberation time, from 0.2 to 0.6 s, its level, from -12 to 0 dB
            relative to the dry sound, and the noise.
        sound: Dry sound, (S,).
        sample_rate: Sample rate, in Hz.

    Returns:
        Dry and reverberant sound, (S,).
    """
    from scipy.signal import fftconvolve  # 0.2 s, which a rendered corpus does not need

    seconds, level_db = rng.uniform(*_ROOM_SECONDS), rng.uniform(*_ROOM_DB)
    response = rng.standard_normal(round(seconds * sample_rate), dtype=np.float32)
    response *= np.logspace(0, -3, len(response), dtype=np.float32)
    response *= np.float32(amplitude(level_db) / np.sqrt(np.sum(np.square(response))))
    reverberation: Audio = fftconvolve(sound, response)[: len(sound)]
    return sound + reverberation


def tilted(sound: Audio, tilt_db: float, sample_rate: int) -> Audio:
    """Amplify frequencies above 1 kHz by half of `tilt_db` and attenuate those below by the same.

    A first-order shelf by the bilinear transform: exact at 0 Hz and at half the sample rate.

    Args:
        sound: Samples, (S,).
        tilt_db: Gain of high frequencies relative to low ones, in dB; may be negative.
        sample_rate: Sample rate, in Hz.

    Returns:
        Samples, (S,).
    """
    from scipy.signal import lfilter  # as above

    warped = np.tan(np.pi * _TILT_HZ / sample_rate)
    high, low = amplitude(tilt_db / 2), amplitude(-tilt_db / 2)
    b = np.array([low * warped + high, low * warped - high]) / (warped + 1)
    a = np.array([1.0, (warped - 1) / (warped + 1)])
    filtered: Audio = lfilter(b.astype(np.float32), a.astype(np.float32), sound)
    return filtered
