"""SpliceOut: random stretches are cut out."""

import torch
from torch import Tensor

from musicssl.augment.dsp.check import check_positive, check_strength
from musicssl.augment.dsp.computation import in_parts
from musicssl.augment.dsp.padding import clip_lengths, repeated
from musicssl.errors import InputError

_FADE = 0.005  # length of the cross-fade at a cut, in s


class SpliceOut:
    """Cut stretches of random length out of each clip, at random positions.

    SpliceOut of Jain et al. 2022, https://arxiv.org/abs/2110.00046: the parts before and after a
    cut are joined. The clip keeps its length: the remainder is repeated from its beginning, where
    the authors and torch-audiomentations append silence, which would reveal the total length of the
    cuts. Cross-fades last 5 ms; in torch-audiomentations, half the length of the cut.

    Args:
        num: Number of cuts in a clip.
        max_ms: Longest cut, in ms; lengths are uniform from 0, and at most half of the remaining
            clip. 0 changes nothing.
        sample_rate: Sample rate, in Hz.

    Raises:
        InputError: If a number is negative, or the sample rate is not positive.
    """

    of_sound = True

    def __init__(self, num: int, max_ms: float, sample_rate: int) -> None:
        if num < 0:
            raise InputError(f"splice_out.num must be 0 (off) or more, got {num}.")
        check_positive("splice_out.sample_rate", sample_rate)
        self.num = num
        self.max_samples = round(check_strength("splice_out.max_ms", max_ms) / 1000 * sample_rate)
        self.fade = max(1, round(_FADE * sample_rate))

    def __call__(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Transform clips of sound, (B, S), of which the first `lengths`, (B,), are valid."""
        if self.num == 0 or self.max_samples == 0:
            return x
        draws = torch.rand(len(x), self.num, 2, device=x.device)  # in [0, 1)
        return in_parts(self._splice, x, clip_lengths(x, lengths), draws)

    def _splice(self, x: Tensor, lengths: Tensor, draws: Tensor) -> Tensor:
        """Cut stretches out of clips with `lengths`, (B, 1), samples, one after the other."""
        spliced, remaining = x, lengths
        for draw in draws.unbind(dim=1):
            spliced, remaining = self._cut(spliced, remaining, draw)
        return repeated(spliced, remaining, x.shape[1])

    def _cut(self, x: Tensor, lengths: Tensor, draws: Tensor) -> tuple[Tensor, Tensor]:
        """Cut one stretch out of each clip, and return the remainders and their lengths."""
        longest = (lengths // 2).clamp_max(self.max_samples)
        widths = (draws[:, :1] * (longest + 1)).long()  # (B, 1)
        starts = (draws[:, 1:] * (lengths - widths + 1)).long()
        positions = torch.arange(x.shape[1], device=x.device)
        after = x.gather(1, (positions + widths).clamp_max(x.shape[1] - 1))
        fade = ((positions - starts + 1) / self.fade).clamp(0, 1).to(x.dtype)  # (B, S)
        # Samples after the remainder are padding, which `repeated` never reads.
        return torch.lerp(x, after, fade), lengths - widths
