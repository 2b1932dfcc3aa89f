"""Pitch shift."""

import math

import torch
from torch import Tensor

from musicssl.augment.dsp.check import check_positive, check_strength
from musicssl.augment.dsp.computation import in_parts, working_dtype
from musicssl.augment.dsp.padding import silence_padding
from musicssl.augment.dsp.vocoder import stretch, window_size
from musicssl.augment.sound.speed import play
from musicssl.errors import InputError


class PitchShift:
    """Shift the pitch of each clip by a random interval, uniform in semitones; keep the tempo.

    A phase vocoder makes the clip longer or shorter, then it is resampled to its length.
    Frequencies that would be above half the sample rate are removed; after a shift downwards the
    highest frequencies are empty.

    torch-audiomentations, which the published SemiSupCon uses, draws with Python's `random` from
    the few ratios for which its resampling is fast, four within 4 semitones at 16 kHz, and shifts
    clip by clip.

    Args:
        max_semitones: Largest shift up, and down without `min_semitones`, in semitones. 0 changes
            nothing.
        sample_rate: Sample rate, in Hz.
        min_semitones: Largest shift down, in semitones, as a number below 0; None for
            -`max_semitones`.
        whole: Whether to shift by whole semitones only, each as likely; a clip that is shifted by
            none is left as it is.

    Raises:
        InputError: If `max_semitones` is negative, `min_semitones` positive, or the rate is not
            positive, or if `whole` is True and one of the limits is no whole number.
    """

    of_sound = True

    def __init__(
        self,
        max_semitones: float,
        sample_rate: int,
        min_semitones: float | None = None,
        whole: bool = False,
    ) -> None:
        self.max_semitones = check_strength("pitch_shift.max_semitones", max_semitones)
        self.min_semitones = -max_semitones if min_semitones is None else min_semitones
        if not self.min_semitones <= 0:
            raise InputError(
                f"pitch_shift.min_semitones must be 0 or less, got {self.min_semitones:g}."
            )
        self.whole = whole
        if whole and (self.min_semitones % 1 or self.max_semitones % 1):
            raise InputError(
                "pitch_shift.whole=true shifts by whole semitones, but the limits are "
                f"{self.min_semitones:g} and {self.max_semitones:g}; round them."
            )
        self.window_size = window_size(check_positive("pitch_shift.sample_rate", sample_rate))

    def __call__(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Transform clips of sound, (B, S), of which the first `lengths`, (B,), are valid."""
        if self.max_semitones == self.min_semitones == 0:
            return x
        semitones = torch.empty_like(x[:, :1], dtype=working_dtype(x))
        if not self.whole:
            semitones.uniform_(self.min_semitones, self.max_semitones)
            return self.shift(silence_padding(x, lengths), semitones)
        semitones.random_(int(self.min_semitones), int(self.max_semitones) + 1)
        return x.where(semitones == 0, self.shift(silence_padding(x, lengths), semitones))

    def shift(self, x: Tensor, semitones: Tensor) -> Tensor:
        """Shift clips, (B, S), by semitones, (B, 1), at most `max_semitones` up."""
        return in_parts(self._shift, x, 2 ** (semitones / 12)).to(x.dtype)

    def _shift(self, x: Tensor, ratios: Tensor) -> Tensor:
        """Shift clips by ratios of frequencies, (B, 1)."""
        longest = math.ceil(x.shape[1] * 2 ** (self.max_semitones / 12))
        slow = stretch(x, 1 / ratios, longest, self.window_size, band=1 / ratios)
        return play(slow, ratios, x.shape[1])
