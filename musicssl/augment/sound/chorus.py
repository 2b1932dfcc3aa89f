"""Chorus: a copy of the sound with a slowly varying delay."""

import math

import torch
from torch import Tensor

from musicssl.augment.dsp.check import check_fraction, check_positive, check_strength
from musicssl.augment.dsp.computation import working_dtype
from musicssl.augment.sound.delay import delayed
from musicssl.errors import InputError


class Chorus:
    """Mix each clip with a copy whose delay is modulated by a sine.

        y(t) = (1 - mix) x(t) + mix x(t - d(t)),    d(t) = delay + depth sin(2 pi rate t + phase)

    The phase is random for each clip. Sound is interpolated linearly between samples.

    Args:
        rate_hz: Frequency of the modulation, in Hz.
        depth_ms: Amplitude of the modulation, in ms.
        delay_ms: Mean delay, in ms; at least `depth_ms`, so that the delay is never negative.
        mix: Share of the delayed copy, in [0, 1]. 0 changes nothing.
        sample_rate: Sample rate, in Hz.

    Raises:
        InputError: If a number is negative, `mix` is not in [0, 1], or `depth_ms` exceeds
            `delay_ms`.
    """

    of_sound = True

    def __init__(
        self, rate_hz: float, depth_ms: float, delay_ms: float, mix: float, sample_rate: int
    ) -> None:
        if check_strength("chorus.depth_ms", depth_ms) > delay_ms:
            raise InputError(
                f"chorus.depth_ms={depth_ms:g} exceeds chorus.delay_ms={delay_ms:g}; lower it."
            )
        self.rate_hz = check_strength("chorus.rate_hz", rate_hz)
        self.sample_rate = check_positive("chorus.sample_rate", sample_rate)
        self.depth = depth_ms / 1000 * sample_rate  # samples
        self.delay = check_strength("chorus.delay_ms", delay_ms) / 1000 * sample_rate
        self.mix = check_fraction("chorus.mix", mix)

    def __call__(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Transform clips of sound, (B, S)."""
        delays = self._delays(x)  # (B, S)
        whole = delays.long()
        part = (delays - whole).to(x.dtype)
        longest = math.ceil(self.delay + self.depth) + 1
        voice = torch.lerp(delayed(x, whole, longest), delayed(x, whole + 1, longest), part)
        return (1 - self.mix) * x + self.mix * voice

    def _delays(self, x: Tensor) -> Tensor:
        """Draw the modulated delay of each clip, in samples, (B, S)."""
        phases = 2 * math.pi * torch.rand_like(x[:, :1], dtype=working_dtype(x))
        times = torch.arange(x.shape[1], device=x.device, dtype=phases.dtype) / self.sample_rate
        swing = torch.sin(2 * math.pi * self.rate_hz * times + phases)
        return (self.delay + self.depth * swing).clamp_min(0)  # it may be below 0 by rounding
