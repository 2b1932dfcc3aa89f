"""Additive coloured noise."""

import torch
from torch import Tensor

from musicssl.augment.dsp.check import check_range
from musicssl.augment.dsp.computation import working_dtype
from musicssl.augment.dsp.padding import mean_power
from musicssl.augment.dsp.signal_to_noise import SignalToNoise
from musicssl.augment.dsp.spectral import DECIBELS_PER_OCTAVE, fast_size

_OCTAVES = 9  # sloping octaves below half the sample rate: down to 16 Hz at 16 kHz


class ColouredNoise:
    """Add white, pink, brown, blue or violet noise, or noise of a colour in between, to each clip.

    The slope of the noise's power density is drawn for each clip, in dB per octave: 0 is white
    noise, 3.01 pink, 6.02 brown, -3.01 blue, -6.02 violet. The density is flat in the lowest 1/512
    of the band; otherwise the power of brown noise would be an inaudible rumble.

    The published SemiSupCon uses torch-audiomentations, whose `f_decay` is documented as the
    exponent a of a power density 1 / f^a, which is 3.01 a dB per octave here. Its noise is in fact
    steeper, flat to about 90 Hz and 6.02 a dB per octave far above, and repeats every second.

    Args:
        min_snr_db: Lowest ratio of the clip's power to the noise's, in dB, over valid samples.
        max_snr_db: Highest ratio, in dB; drawn uniformly in dB.
        min_decay_db: Lowest slope, in dB per octave; negative for noise that rises with frequency.
        max_decay_db: Highest slope; drawn uniformly.

    Raises:
        InputError: If the lowest ratio is negative, or a range is in the wrong order.
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
        noise = noise * mean_power(noise, lengths).rsqrt()  # power 1 for every colour
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
