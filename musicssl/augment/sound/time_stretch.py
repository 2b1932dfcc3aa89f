"""Change of tempo."""

import math

import torch
from torch import Tensor

from musicssl.augment.dsp.check import check_positive, check_range
from musicssl.augment.dsp.computation import in_parts, working_dtype
from musicssl.augment.dsp.padding import clip_lengths, repeated
from musicssl.augment.dsp.vocoder import stretch, window_size


class TimeStretch:
    """Change the tempo of each clip by a random rate, drawn uniformly, and keep the pitch.

    A clip keeps its length: a slower clip loses its end, and a faster clip is repeated from its
    beginning, because silence at the end would reveal the rate.

    Args:
        min_rate: Slowest tempo relative to the clip's, more than 0.
        max_rate: Fastest tempo; 1.3 is 30 % faster. If both are 1, nothing changes.
        sample_rate: Sample rate, in Hz.

    Raises:
        InputError: If a rate is not positive, or the rates are in the wrong order.
    """

    of_sound = True

    def __init__(self, min_rate: float, max_rate: float, sample_rate: int) -> None:
        self.min_rate = check_positive("time_stretch.min_rate", min_rate)
        self.max_rate = check_positive("time_stretch.max_rate", max_rate)
        check_range("time_stretch", min_rate=min_rate, max_rate=max_rate)
        self.window_size = window_size(check_positive("time_stretch.sample_rate", sample_rate))

    def __call__(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Transform clips of sound, (B, S), of which the first `lengths`, (B,), are valid."""
        if self.min_rate == self.max_rate == 1:
            return x
        rates = torch.empty_like(x[:, :1], dtype=working_dtype(x))
        rates.uniform_(self.min_rate, self.max_rate)
        return in_parts(self._stretch, x, clip_lengths(x, lengths), rates).to(x.dtype)

    def _stretch(self, x: Tensor, lengths: Tensor, rates: Tensor) -> Tensor:
        """Stretch clips with `lengths`, (B, 1), samples by rates, (B, 1)."""
        needed = math.ceil(x.shape[1] * self.max_rate) + self.window_size
        return stretch(repeated(x, lengths, needed), rates, x.shape[1], self.window_size)
