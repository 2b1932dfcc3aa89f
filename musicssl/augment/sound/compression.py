"""Loud sound made softer."""

import math

import torch
from torch import Tensor

from musicssl.augment.dsp.check import check_positive, check_strength
from musicssl.augment.dsp.precision import working_dtype
from musicssl.augment.dsp.silence import silence_padding
from musicssl.augment.dsp.spectral import multiply_spectrum
from musicssl.errors import InputError

_SILENT = 1e-6  # of full scale, -120 dB
_SETTLED = math.log(1000)  # time constants until an attack is over by 60 dB


class Compression:
    """Turn each clip down while it is louder than a threshold.

    A feed-forward compressor with a decoupled peak detector, Giannoulis, Massberg and Reiss 2012,
    "Digital dynamic range compressor design": peaks are held and die away with the release time,
    then are smoothed with the attack time; in decibels,

        gain = -(1 - 1 / ratio) max(0, level - threshold)

    Of a falling exponential from each sample the largest is the level, a running maximum of
    logarithms: no step waits for the one before it. pedalboard's compressor, in the published
    SemiSupCon, takes either attack or release at each sample, which must go sample by sample.
    Nothing is drawn, and no gain makes up for what is lost.

    Args:
        threshold_db: Level from which it is turned down, in dB of full scale.
        ratio: How many dB louder a clip gets for one more dB of the result, 1 or more. 1 changes
            nothing.
        attack_ms: In ms, until the gain has done 63 % of its way down.
        release_ms: In ms, until a level has fallen by 8.7 dB.
        sample_rate: In Hz.

    Raises:
        InputError: If `ratio` is less than 1, a time is negative or release or rate not positive.
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
        """Return the peaks of clips, dying away with the release time, (B, S)."""
        times = torch.arange(x.shape[1], device=x.device, dtype=working_dtype(x)) / self.release
        peaks = x.abs().to(times.dtype).clamp_min(_SILENT).log()
        return ((peaks + times).cummax(dim=1).values - times).exp()

    def _smooth(self, level: Tensor) -> Tensor:
        """Let a level, (B, S), rise with the attack time: a one-pole low-pass."""
        if self.attack == 0:
            return level
        pole = math.exp(-1 / self.attack)

        def response(size: int) -> Tensor:
            angles = 2 * torch.pi * torch.fft.rfftfreq(size, dtype=level.dtype, device=level.device)
            return (1 - pole) / (1 - pole * torch.polar(torch.ones_like(angles), -angles))

        return multiply_spectrum(level, None, response, math.ceil(_SETTLED * self.attack))
