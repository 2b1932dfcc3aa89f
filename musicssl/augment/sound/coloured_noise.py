"""Coloured noise under sound."""

import torch
from torch import Tensor

from musicssl.augment.dsp.check import check_range
from musicssl.augment.dsp.precision import working_dtype
from musicssl.augment.dsp.signal_to_noise import SignalToNoise
from musicssl.augment.dsp.silence import mean_power
from musicssl.augment.dsp.spectral import DECIBELS_PER_OCTAVE, fast_size

_OCTAVES = 9  # below half the sample rate, in which the spectrum slopes: to 16 Hz at 16 kHz


class ColouredNoise:
    """Add noise to each clip that is white, pink, brown, blue, violet or between.

    The power density of noise falls by so many dB per octave as is drawn for each clip: 0 is white
    noise, 3.01 pink, 6.02 brown, -3.01 blue, -6.02 violet. In the lowest 1/512 of the band it is
    flat, or brown noise would be a rumble that nobody hears.

    The published SemiSupCon takes its noise from torch-audiomentations, whose `f_decay` is said to
    be the exponent a of a power density 1 / f^a, which is 3.01 a dB per octave here. What it makes
    is steeper, flat to about 90 Hz and 6.02 a dB per octave far above, and repeats each second.

    Args:
        min_snr_db: Least ratio of the clip's power to the noise's, in dB, over its valid samples.
        max_snr_db: Largest ratio, in dB; each ratio between is as likely.
        min_decay_db: Least slope, in dB per octave; negative for noise that gets stronger upwards.
        max_decay_db: Largest slope; each between is as likely.

    Raises:
        InputError: If the least ratio is negative, or a range is in the wrong order.
    """

    of_sound = True

    def __init__(
        self, min_snr_db: float, max_snr_db: float, min_decay_db: float, max_decay_db: float
    ) -> None:
        self.ratio = SignalToNoise("coloured_noise", min_snr_db, max_snr_db)
        check_range("coloured_noise", min_decay_db=min_decay_db, max_decay_db=max_decay_db)
        self.min_decay_db, self.max_decay_db = min_decay_db, max_decay_db

    def __call__(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Transform clips of sound, (B, S), of which the first `lengths`, (B,), are valid."""
        level = self.ratio.noise_level(x, lengths)  # (B, 1)
        noise = self._noise(x)
        noise = noise * mean_power(noise, lengths).rsqrt()  # of power 1, whatever its colour
        return x + noise.to(x.dtype) * level

    def _noise(self, x: Tensor) -> Tensor:
        """Draw noise, one colour for each clip, (B, S)."""
        size = fast_size(x.shape[1])
        octaves = torch.linspace(0, 1, size // 2 + 1, device=x.device, dtype=working_dtype(x))
        octaves = octaves.log2().clamp_min(-_OCTAVES)  # (N // 2 + 1,), below half the sample rate
        decay = torch.empty_like(x[:, :1], dtype=octaves.dtype)
        decay.uniform_(self.min_decay_db, self.max_decay_db)
        amplitudes = torch.exp2(octaves * (-decay / DECIBELS_PER_OCTAVE))  # (B, N // 2 + 1)
        parts = torch.randn(*amplitudes.shape, 2, device=x.device, dtype=octaves.dtype)
        spectrum = torch.view_as_complex(parts) * amplitudes
        noise: Tensor = torch.fft.irfft(spectrum, n=size)
        return noise[:, : x.shape[1]]
