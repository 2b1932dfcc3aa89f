"""Dynamic range compression."""

import math

import torch
from torch import Tensor

from musicssl.augment.dsp.check import check_positive, check_strength
from musicssl.augment.dsp.computation import working_dtype
from musicssl.augment.dsp.padding import silence_padding
from musicssl.augment.dsp.spectral import multiply_spectrum
from musicssl.errors import InputError

_SILENT = 1e-6  # of full scale, -120 dB
_SETTLED = math.log(1000)  # time constants until an attack has settled to -60 dB


class Compression:
    """Attenuate each clip while it is louder than a threshold.

    A feed-forward compressor with a decoupled peak detector, Giannoulis, Massberg and Reiss 2012,
    "Digital dynamic range compressor design": peaks are held and decay with the release time, then
    they are smoothed with the attack time; in decibels,

        gain = -(1 - 1 / ratio) max(0, level - threshold)

    The level is the largest of the decaying exponentials that start at each sample, which is a
    running maximum of logarithms, so that samples need not be processed one by one. pedalboard's
    compressor, in the published SemiSupCon, chooses between attack and release at each sample,
    which has to be sequential. The transform is not random and has no make-up gain.

    Args:
        threshold_db: Level above which clips are attenuated, in dB of full scale.
        ratio: Change of the input, in dB, for a change of 1 dB in the output, 1 or more. 1 changes
            nothing.
        attack_ms: Time until the gain has completed 63 % of a decrease, in ms.
        release_ms: Time until the level has fallen by 8.7 dB, in ms.
        sample_rate: Sample rate, in Hz.

    Raises:
        InputError: If `ratio` is less than 1, `attack_ms` is negative, or `release_ms` or
            `sample_rate` is not positive.
    """

    of_sound = True

    def __init__(
        self,
        threshold_db: float,
        ratio: float,
        attack_ms: float,
        release_ms: float,
        sample_rate: int,
    ) -> None:
        if not 1 <= ratio < math.inf:
            raise InputError(f"compression.ratio must be 1 (off) or more, got {ratio:g}.")
        if not math.isfinite(threshold_db):
            raise InputError(
                f"compression.threshold_db must be a finite number, got {threshold_db:g}."
            )
        per_ms = check_positive("compression.sample_rate", sample_rate) / 1000
        self.threshold = 10 ** (threshold_db / 20)
        self.slope = 1 - 1 / ratio
        self.attack = check_strength("compression.attack_ms", attack_ms) * per_ms  # samples
        self.release = check_positive("compression.release_ms", release_ms) * per_ms

    def __call__(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Transform clips of sound, (B, S), of which the first `lengths`, (B,), are valid."""
        level = self._smooth(self._held(silence_padding(x, lengths)))
        excess = (level / self.threshold).clamp_min(1)
        return x * excess.pow(-self.slope).to(x.dtype)

    def _held(self, x: Tensor) -> Tensor:
        """Return the held peaks of clips, which decay with the release time, (B, S)."""
        times = torch.arange(x.shape[1], device=x.device, dtype=working_dtype(x)) / self.release
        peaks = x.abs().to(times.dtype).clamp_min(_SILENT).log()
        return ((peaks + times).cummax(dim=1).values - times).exp()

    def _smooth(self, level: Tensor) -> Tensor:
        """Smooth a level, (B, S), with the attack time: a one-pole low-pass."""
        if self.attack == 0:
            return level
        pole = math.exp(-1 / self.attack)

        def response(size: int) -> Tensor:
            angles = 2 * torch.pi * torch.fft.rfftfreq(size, dtype=level.dtype, device=level.device)
            return (1 - pole) / (1 - pole * torch.polar(torch.ones_like(angles), -angles))

        return multiply_spectrum(level, None, response, math.ceil(_SETTLED * self.attack))
