"""Echoes."""

import torch
from torch import Tensor
from torch.nn.functional import pad

from musicssl.augment.dsp.check import check_positive, check_range, check_strength
from musicssl.errors import InputError


class Delay:
    """Add echoes to each clip, at one, two, three... times a random delay.

        y(t) = x(t) + sum over k from 1 to repeats of volume^k x(t - k delay)

    Args:
        min_ms: Shortest delay, in ms; rounded to samples.
        max_ms: Longest delay, in ms; drawn uniformly.
        volume: Amplitude of an echo divided by that of the echo before it, or for the first echo,
            of the sound. 0 changes nothing. Samples may leave [-1, 1].
        repeats: Number of echoes.
        sample_rate: Sample rate, in Hz.

    Raises:
        InputError: If a number is negative, the delays are in the wrong order, or there is no echo.
    """

    of_sound = True

    def __init__(
        self, min_ms: float, max_ms: float, volume: float, repeats: int, sample_rate: int
    ) -> None:
        check_strength("delay.min_ms", min_ms)
        check_range("delay", min_ms=min_ms, max_ms=max_ms)
        if repeats < 1:
            raise InputError(
                f"delay.repeats must be 1 or more, got {repeats}; for no echo, set delay.volume=0."
            )
        rate = check_positive("delay.sample_rate", sample_rate) / 1000  # samples in a ms
        self.min_samples, self.max_samples = round(min_ms * rate), round(max_ms * rate)
        self.volume = check_strength("delay.volume", volume)
        self.repeats = repeats

    def __call__(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Transform clips of sound, (B, S)."""
        delays = torch.randint(self.min_samples, self.max_samples + 1, (len(x), 1), device=x.device)
        echoed = x
        for repeat in range(1, self.repeats + 1):
            echoed = echoed + self.volume**repeat * delayed(
                x, repeat * delays, repeat * self.max_samples
            )
        return echoed


class DrawnDelay:
    """Add echoes whose loudness and number are drawn for each clip, as SemiSupCon's code does.

        y(t) = (x(t) + volume * sum over k from 0 to repeats - 1 of a^k x(t - k delay)) / 2

    The sum starts with the sound itself: with a single repeat there is no echo, only a change of
    level. Volume, repeats and the attenuation a are one of two values each, as likely.

    Args:
        min_ms: Shortest delay, in ms; rounded to samples.
        max_ms: Longest delay, in ms; drawn uniformly.
        volumes: The two values of the volume.
        repeats: The two values of the number of repeats.
        attenuations: The two values of the attenuation.
        sample_rate: Sample rate, in Hz.

    Raises:
        InputError: If a number is negative, or the delays are in the wrong order.
    """

    of_sound = True

    def __init__(
        self,
        min_ms: float,
        max_ms: float,
        volumes: tuple[float, float],
        repeats: tuple[int, int],
        attenuations: tuple[float, float],
        sample_rate: int,
    ) -> None:
        check_strength("delay.min_ms", min_ms)
        check_range("delay", min_ms=min_ms, max_ms=max_ms)
        rate = check_positive("delay.sample_rate", sample_rate) / 1000  # samples in a ms
        self.min_samples, self.max_samples = round(min_ms * rate), round(max_ms * rate)
        self.volumes = tuple(check_strength("delay.volumes", value) for value in volumes)
        self.repeats = tuple(int(check_strength("delay.repeats", value)) for value in repeats)
        self.attenuations = tuple(
            check_strength("delay.attenuations", value) for value in attenuations
        )

    def __call__(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Transform clips of sound, (B, S)."""
        delays = torch.randint(self.min_samples, self.max_samples + 1, (len(x), 1), device=x.device)
        volume, repeats, attenuation = (
            _one_of(values, x) for values in (self.volumes, self.repeats, self.attenuations)
        )
        total = torch.zeros_like(x)
        for repeat in range(max(self.repeats)):
            loudness = attenuation**repeat * (repeat < repeats)
            total = total + loudness * delayed(x, repeat * delays, repeat * self.max_samples)
        return (x + volume * total) / 2


def _one_of(values: tuple[float, ...], x: Tensor) -> Tensor:
    """Draw one of some values for each clip, (B, 1)."""
    choices = torch.tensor(values, dtype=x.dtype, device=x.device)
    return choices[torch.randint(len(values), (len(x), 1), device=x.device)]


def delayed(x: Tensor, delays: Tensor, longest: int) -> Tensor:
    """Delay sound by a number of samples.

    Args:
        x: Sound, (B, S).
        delays: Delays in samples, 0 or more, (B, 1) or (B, S) int64.
        longest: Upper bound of the delays.

    Returns:
        x(t - delay), (B, S); silence before the start of the clip.
    """
    num_samples = x.shape[1]
    silence = min(longest, num_samples)  # samples of silence before the clip
    positions = torch.arange(num_samples, device=x.device) + (silence - delays.clamp_max(silence))
    return pad(x, (silence, 0)).gather(1, positions)
