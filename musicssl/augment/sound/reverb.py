"""Reverberation."""

import math

import torch
from torch import Tensor

from musicssl.augment.dsp.check import check_fraction, check_positive, check_range
from musicssl.augment.dsp.computation import working_dtype
from musicssl.augment.dsp.spectral import multiply_spectrum


class Reverb:
    """Mix each clip with its reverberation in a random room.

        y = (1 - wet) x + wet (x * h)

    h, the room's impulse response, is white noise with an exponential decay, scaled to an energy
    of 1, so that the reverberation of noise is as loud as the noise. This is late reverberation
    without early reflections, as in a large and plain hall.

    Args:
        min_seconds: Shortest reverberation time (decay by 60 dB), in s.
        max_seconds: Longest reverberation time, in s; drawn uniformly.
        wet: Share of the reverberation, in [0, 1]. 0 changes nothing.
        sample_rate: Sample rate, in Hz.

    Raises:
        InputError: If a time or the sample rate is not positive, the times are in the wrong order,
            or `wet` is not in [0, 1].
    """

    of_sound = True

    def __init__(
        self, min_seconds: float, max_seconds: float, wet: float, sample_rate: int
    ) -> None:
        check_range("reverb", min_seconds=min_seconds, max_seconds=max_seconds)
        self.min_seconds = check_positive("reverb.min_seconds", min_seconds)
        self.max_seconds = max_seconds
        self.wet = check_fraction("reverb.wet", wet)
        self.sample_rate = check_positive("reverb.sample_rate", sample_rate)

    def __call__(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Transform clips of sound, (B, S), of which the first `lengths`, (B,), are valid."""
        room = self._room(x)  # (B, R)

        def response(size: int) -> Tensor:
            spectrum: Tensor = torch.fft.rfft(room, n=size)
            return spectrum

        reverberation = multiply_spectrum(x, lengths, response, room.shape[1])
        return (1 - self.wet) * x + self.wet * reverberation

    def _room(self, x: Tensor) -> Tensor:
        """Draw an impulse response for each clip, no longer than the clips, (B, R)."""
        size = min(math.ceil(self.max_seconds * self.sample_rate), x.shape[1])
        dtype = working_dtype(x)
        seconds = torch.empty_like(x[:, :1], dtype=dtype)
        seconds.uniform_(self.min_seconds, self.max_seconds)
        times = torch.arange(size, device=x.device, dtype=dtype) / self.sample_rate  # (R,)
        decay = torch.exp(-times * (math.log(1000) / seconds))  # (B, R): 60 dB in that time
        room = torch.randn(len(x), size, device=x.device, dtype=dtype) * decay
        return room * room.square().sum(dim=1, keepdim=True).rsqrt()
