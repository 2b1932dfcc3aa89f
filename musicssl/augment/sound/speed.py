"""Playback at a different speed for each clip, which changes pitch and length."""

import torch
from torch import Tensor
from torch.nn.functional import pad

_REACH = 4  # samples on either side that contribute to an interpolated sample
_PHASES = 10  # bits: positions are rounded to 1/1,024 of a sample, an error of -60 dB at half band
_POINT = 32  # fractional bits of a position: single precision has too few for a long clip


def play(x: Tensor, speeds: Tensor, num_samples: int) -> Tensor:
    """Resample each clip at its own speed, with sincs under a Hann window of eight samples.

    There is no anti-aliasing filter: frequencies that exceed half the sample rate are mirrored.
    Levels are kept within 0.1 dB up to a quarter of the sample rate.

    Args:
        x: Sound, (B, S); it is followed by silence.
        speeds: Step through the clip for each sample of the result, in samples, (B, 1).
        num_samples: Length of the result, N.

    Returns:
        (B, N), in the dtype of `x`.
    """
    table = _sincs(x)  # (8, P)
    steps = (speeds * (1 << _POINT)).long()  # (B, 1)
    positions = steps * torch.arange(num_samples, device=x.device)  # (B, N)
    ticks = (positions + (1 << (_POINT - _PHASES - 1))) >> (_POINT - _PHASES)
    before, phases = ticks >> _PHASES, (ticks & ((1 << _PHASES) - 1)).flatten()
    sound = pad(x, (_REACH - 1, 2 * _REACH))  # it begins 3 samples before the clip
    before = before.clamp_max(x.shape[1] + _REACH - 1)  # all samples from there on are silence
    played = torch.zeros_like(positions, dtype=x.dtype)
    for tap in range(2 * _REACH):
        weights = table[tap].index_select(0, phases).view_as(played)
        played += weights * sound.gather(1, before + tap)
    return played


def _sincs(x: Tensor) -> Tensor:
    """Return the weights of the 8 nearest samples for P fractional positions, (8, P)."""
    positions = torch.arange(1 << _PHASES, device=x.device, dtype=x.dtype) / (1 << _PHASES)
    taps = torch.arange(1 - _REACH, _REACH + 1, device=x.device)[:, None]
    distances = positions - taps
    window = (distances * torch.pi / (2 * _REACH)).cos().square()
    weights = torch.sinc(distances) * window
    return weights / weights.sum(dim=0)
