"""One voice doubled by another that wavers."""

import math

import torch
from torch import Tensor

from musicssl.augment.dsp.check import check_fraction, check_positive, check_strength
from musicssl.augment.dsp.precision import working_dtype
from musicssl.augment.sound.echo import earlier
from musicssl.errors import InputError


class Chorus:
    """Mix each clip with itself, delayed by a time that swings as a sine does.

        y(t) = (1 - mix) x(t) + mix x(t - d(t)),    d(t) = delay + depth sin(2 pi rate t + phase)

    The phase is random for each clip. Between samples, sound is interpolated linearly.

    Args:
        rate_hz: How often the delay swings back and forth, in Hz.
        depth_ms: How far it swings to either side, in ms.
        delay_ms: Around what, in ms; at least `depth_ms`, or it would have to know the future.
        mix: Share of the delayed voice, in [0, 1]. 0 changes nothing.
        sample_rate: In Hz.

    Raises:
        InputError: If a number is negative, `mix` is no share, or `depth_ms` exceeds `delay_ms`.
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
        voice = torch.lerp(earlier(x, whole, longest), earlier(x, whole + 1, longest), part)
        return (1 - self.mix) * x + self.mix * voice

    def _delays(self, x: Tensor) -> Tensor:
        """Draw how the delay of each clip swings, in samples, (B, S)."""
        phases = 2 * math.pi * torch.rand_like(x[:, :1], dtype=working_dtype(x))
        times = torch.arange(x.shape[1], device=x.device, dtype=phases.dtype) / self.sample_rate
        swing = torch.sin(2 * math.pi * self.rate_hz * times + phases)
        return (self.delay + self.depth * swing).clamp_min(0)  # rounding may come to less than 0
