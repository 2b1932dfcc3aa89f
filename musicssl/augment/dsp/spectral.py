"""Sound changed in the frequency domain: one multiplication for all clips of a batch."""

import math
from collections.abc import Callable

import torch
from scipy.fft import next_fast_len
from torch import Tensor

from musicssl.augment.dsp.precision import working_dtype
from musicssl.augment.dsp.silence import silence_padding

DECIBELS_PER_OCTAVE = 20 * math.log10(2)  # of an amplitude that is proportional to frequency


def multiply_spectrum(
    x: Tensor, lengths: Tensor | None, response: Callable[[int], Tensor], tail: int
) -> Tensor:
    """Multiply the spectra of clips by a response, which is to convolve them with its impulse.

    Silence goes before and after a clip, so that its end does not sound in its beginning.

    Args:
        x: Sound, (B, S).
        lengths: Valid samples of each clip, (B,), or None; what follows them is taken as silence.
        response: Takes the size N of the transform to N // 2 + 1 factors, (B, N // 2 + 1).
        tail: Samples for which the impulse response sounds; no more than S are of any use.

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
    """Return the next size of which a real Fourier transform is fast: 16 times small factors.

    Odd sizes such as 59,049, which SampleCNN reads, take three times as long.

    >>> fast_size(59_049)
    60000
    """
    return 16 * int(next_fast_len(math.ceil(num_samples / 16), real=True))
