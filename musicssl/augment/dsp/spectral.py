"""Filtering in the frequency domain: one multiplication for all clips of a batch."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from musicssl.augment.dsp.computation import working_dtype
from musicssl.augment.dsp.padding import silence_padding

DECIBELS_PER_OCTAVE = 20 * math.log10(2)  # slope of an amplitude proportional to frequency


def multiply_spectrum(
    x: Tensor, lengths: Tensor | None, response: Callable[[int], Tensor], tail: int
) -> Tensor:
    """Multiply the spectra of clips by a frequency response: convolve with its impulse response.

    Clips are padded with silence, so that the end of a clip does not wrap around to its beginning.

    Args:
        x: Sound, (B, S).
        lengths: Number of valid samples of each clip, (B,), or None; samples after them are taken
            as silence.
        response: Function of the size N of the transform, returns factors, (B, N // 2 + 1).
        tail: Length of the impulse response in samples; more than S make no difference.

    Returns:
        The first S samples of the result, (B, S), in the dtype of `x`.
    """
    num_samples = x.shape[1]
    size = fast_size(num_samples + min(tail, num_samples))
    sound = silence_padding(x, lengths).to(working_dtype(x))
    spectrum = torch.fft.rfft(sound, n=size)  # (B, N // 2 + 1)
    result: Tensor = torch.fft.irfft(spectrum * response(size), n=size)
    return result[:, :num_samples].to(x.dtype)


def fast_size(num_samples: int) -> int:
    """Return the next size with a fast real Fourier transform: 16 times small prime factors.

    Odd sizes such as 59,049, the chunk of SampleCNN, take three times as long.

    >>> fast_size(59_049)
    60000
    """
    from scipy.fft import next_fast_len  # here, because most runs draw no views of sound

    return 16 * int(next_fast_len(math.ceil(num_samples / 16), real=True))
