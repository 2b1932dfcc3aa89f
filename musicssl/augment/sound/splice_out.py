"""Stretches of sound cut out."""

import torch
from torch import Tensor

from musicssl.augment.dsp.check import check_positive, check_strength
from musicssl.augment.dsp.parts import in_parts
from musicssl.augment.dsp.repetition import clip_lengths, repeated
from musicssl.errors import InputError

_FADE = 0.005  # s, from the sound before a cut to the sound behind it


class SpliceOut:
    """Cut stretches out of each clip, at random places and of random lengths.

    SpliceOut of Jain et al. 2022, https://arxiv.org/abs/2110.00046: what follows a cut moves up, so
    that a stretch that is not hidden is as it was. The clip keeps its length: it begins again at
    its end, where the authors and torch-audiomentations leave silence, which would tell how much
    was cut. Cuts are faded over within 5 ms; in torch-audiomentations, within half their length.

    Args:
        num: Cuts in a clip.
        max_ms: Longest cut, in ms; uniform from none, and at most half of what is left of the clip.
            0 changes nothing.
        sample_rate: In Hz.

    Raises:
        InputError: If a number is negative, or the rate is not positive.
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
        """Cut stretches out of clips of so many samples, (B, 1), one after the other."""
        spliced, left = x, lengths
        for draw in draws.unbind(dim=1):
            spliced, left = self._cut(spliced, left, draw)
        return repeated(spliced, left, x.shape[1])

    def _cut(self, x: Tensor, lengths: Tensor, draws: Tensor) -> tuple[Tensor, Tensor]:
        """Cut one stretch out of each clip, and return what is left of it and how much."""
        longest = (lengths // 2).clamp_max(self.max_samples)
        widths = (draws[:, :1] * (longest + 1)).long()  # (B, 1)
        starts = (draws[:, 1:] * (lengths - widths + 1)).long()
        places = torch.arange(x.shape[1], device=x.device)
        behind = x.gather(1, (places + widths).clamp_max(x.shape[1] - 1))
        faded = ((places - starts + 1) / self.fade).clamp(0, 1).to(x.dtype)  # (B, S)
        # What lies behind the clip is its padding, which `repeated` never reads.
        return torch.lerp(x, behind, faded), lengths - widths
