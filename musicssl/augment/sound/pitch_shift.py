"""Pitch shift."""

import math

import torch
from torch import Tensor

from musicssl.augment.dsp.check import check_positive, check_strength
from musicssl.augment.dsp.computation import in_parts, working_dtype
from musicssl.augment.dsp.padding import silence_padding
from musicssl.augment.dsp.vocoder import stretch, window_size
from musicssl.augment.sound.speed import play


class PitchShift:
    """Shift the pitch of each clip by a random interval, uniform in semitones; keep the tempo.

    A phase vocoder makes the clip longer or shorter, then it is resampled to its length.
    Frequencies that would be above half the sample rate are removed; after a shift downwards the
    highest frequencies are empty.

    torch-audiomentations, which the published SemiSupCon uses, draws with Python's `random` from
    the few ratios for which its resampling is fast, four within 4 semitones at 16 kHz, and shifts
    clip by clip.

    Args:
        max_semitones: Largest shift up or down, in semitones. 0 changes nothing.
        sample_rate: Sample rate, in Hz.

    Raises:
        InputError: If `max_semitones` is negative, or the rate is not positive.
    """

    of_sound = True

    def __init__(self, max_semitones: float, sample_rate: int) -> None:
        self.max_semitones = check_strength("pitch_shift.max_semitones", max_semitones)
        self.window_size = window_size(check_positive("pitch_shift.sample_rate", sample_rate))

    def __call__(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Transform clips of sound, (B, S), of which the first `lengths`, (B,), are valid."""
        if self.max_semitones == 0:
            return x
        semitones = torch.empty_like(x[:, :1], dtype=working_dtype(x))
        semitones.uniform_(-self.max_semitones, self.max_semitones)
        return self.shift(silence_padding(x, lengths), semitones)

    def shift(self, x: Tensor, semitones: Tensor) -> Tensor:
        """Shift clips, (B, S), by semitones, (B, 1), at most `max_semitones` up or down."""
        return in_parts(self._shift, x, 2 ** (semitones / 12)).to(x.dtype)

    def _shift(self, x: Tensor, ratios: Tensor) -> Tensor:
        """Shift clips by ratios of frequencies, (B, 1)."""
        longest = math.ceil(x.shape[1] * 2 ** (self.max_semitones / 12))
        slow = stretch(x, 1 / ratios, longest, self.window_size, band=1 / ratios)
        return play(slow, ratios, x.shape[1])
