"""Sound played at another speed for each clip, which changes its pitch and its length."""

import torch
from torch import Tensor
from torch.nn.functional import pad

_REACH = 4  # samples to either side, from which one between them is interpolated
_PHASES = 10  # bits: places between two samples are rounded to a 1,024th, 60 dB at half the band
_POINT = 32  # bits after the point of a place: single precision has too few for a long clip


def play(x: Tensor, speeds: Tensor, num_samples: int) -> Tensor:
    """Read each clip at a speed of its own, by sincs under a Hann window of eight samples.

    Nothing is filtered: what lies above half the sample rate after that is mirrored. Up to a
    quarter of the sample rate levels are kept within 0.1 dB.

    Args:
        x: Sound, (B, S); behind it lies silence.
        speeds: Samples of a clip from one of the result to the next, (B, 1).
        num_samples: Length of the result, N.

    Returns:
        (B, N), in the dtype of `x`.
    """
    table = _sincs(x)  # (8, P)
    steps = (speeds * (1 << _POINT)).long()  # (B, 1)
    places = steps * torch.arange(num_samples, device=x.device)  # (B, N)
    ticks = (places + (1 << (_POINT - _PHASES - 1))) >> (_POINT - _PHASES)
    before, phases = ticks >> _PHASES, (ticks & ((1 << _PHASES) - 1)).flatten()
    sound = pad(x, (_REACH - 1, 2 * _REACH))  # it begins 3 samples before the clip
    before = before.clamp_max(x.shape[1] + _REACH - 1)  # from where all is silence
    played = torch.zeros_like(places, dtype=x.dtype)
    for tap in range(2 * _REACH):
        weights = table[tap].index_select(0, phases).view_as(played)
        played += weights * sound.gather(1, before + tap)
    return played


def _sincs(x: Tensor) -> Tensor:
    """Return the weights of the samples around a place, for all places between two, (8, P)."""
    places = torch.arange(1 << _PHASES, device=x.device, dtype=x.dtype) / (1 << _PHASES)
    taps = torch.arange(1 - _REACH, _REACH + 1, device=x.device)[:, None]
    distances = places - taps
    window = (distances * torch.pi / (2 * _REACH)).cos().square()
    weights = torch.sinc(distances) * window
    return weights / weights.sum(dim=0)
