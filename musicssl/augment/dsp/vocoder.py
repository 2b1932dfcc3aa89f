"""A phase vocoder with a rate for each clip: time goes by faster or slower, and pitch stays.

The one of Flanagan and Golden 1966, on a Fourier transform as in torchaudio and librosa, which take
one rate for all clips. No phases are locked to each other: a drum is smeared over a window, and a
pure tone that set in suddenly may be some 3 dB softer.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import pad

from musicssl.augment.dsp.precision import working_dtype

_SECONDS = 0.064  # of a window: long enough for two low tones, short enough for a drum
_OVERLAP = 4  # windows over each sample


def window_size(sample_rate: float) -> int:
    """Return how many samples a window has: the power of two nearest to 64 ms, at least 16."""
    return 1 << max(4, round(math.log2(_SECONDS * sample_rate)))


def stretch(
    x: Tensor, rates: Tensor, num_samples: int, size: int, band: Tensor | None = None
) -> Tensor:
    """Make each clip go by faster or slower, and keep its pitch.

    A frame of the result has the magnitudes that the clip has at its time, interpolated linearly
    between frames of the clip, and phases that advance from frame to frame as they do there. Frames
    are as far apart in the result as in the clip, so that advances need not be unwrapped. Half a
    window at either end, 32 ms, is softer.

    Args:
        x: Sound, (B, S), finite; what lies before and behind it is silence.
        rates: How many seconds of a clip go by in one of the result, (B, 1).
        num_samples: Length of the result, N.
        size: Samples of a window, a multiple of 4.
        band: Share of the frequencies that is kept, from 0 Hz on, (B, 1); None: all of them.

    Returns:
        (B, N), in the dtype of `x`, or in single precision if that is more.
    """
    hop = size // _OVERLAP
    window = torch.hann_window(size, device=x.device, dtype=working_dtype(x))
    sound = pad(x.to(window.dtype), (size // 2, size // 2 + 2 * hop))  # as many frames as at rate 1
    spectrum = torch.fft.rfft(sound.unfold(1, size, hop) * window)  # (B, T, F)
    # torch's abs, angle and polar are these, and take two or three times as long on a CPU.
    real, imaginary = spectrum.real.contiguous(), spectrum.imag.contiguous()
    magnitudes, phases = torch.hypot(real, imaginary), torch.atan2(imaginary, real)
    if band is not None:
        share = torch.linspace(0, 1, spectrum.shape[2], device=x.device, dtype=window.dtype)
        magnitudes = magnitudes * (share <= band)[:, None]
    num_frames = math.ceil(num_samples / hop) + _OVERLAP // 2  # all that reach the last sample
    magnitudes, phases = _at_rates(magnitudes, phases, rates, num_frames)  # (B, K, F)
    spectrum = torch.complex(magnitudes * phases.cos(), magnitudes * phases.sin())
    frames = torch.fft.irfft(spectrum, n=size) * window  # (B, K, size)
    sound = _overlap_add(frames, hop) / _overlap_add(window.square().expand_as(frames[:1]), hop)
    return sound[:, size // 2 :][:, :num_samples]


def _at_rates(
    magnitudes: Tensor, phases: Tensor, rates: Tensor, num_frames: int
) -> tuple[Tensor, Tensor]:
    """Return magnitudes and phases of frames a rate apart: (B, T, F) and (B, 1) to (B, K, F)."""
    places = rates * torch.arange(num_frames, device=rates.device)  # (B, K)
    before = places.long().clamp_max(phases.shape[1] - 2)
    between = (places - before).clamp_max(1)[..., None].to(magnitudes.dtype)
    clips = torch.arange(len(phases), device=phases.device)[:, None]  # (B, 1)
    magnitudes = torch.lerp(magnitudes[clips, before], magnitudes[clips, before + 1], between)
    advanced = pad(phases.diff(dim=1)[clips, before[:, :-1]], (0, 0, 1, 0)).cumsum(dim=1)
    # The first frames hold silence from before the clip, where bins do not agree about the phase.
    start = min(_OVERLAP // 2, num_frames - 1)
    place = places[:, start : start + 1].long().clamp_max(phases.shape[1] - 1)
    phases = phases[clips, place]  # (B, 1, F)
    return magnitudes, phases + advanced - advanced[:, start : start + 1]


def _overlap_add(frames: Tensor, hop: int) -> Tensor:
    """Add frames that begin a hop after each other, (B, K, 4 hop) -> (B, (K + 3) hop)."""
    num_clips, num_frames, _ = frames.shape
    parts = frames.view(num_clips, num_frames, _OVERLAP, hop).unbind(2)  # (B, K, hop) each
    sound = frames.new_zeros(num_clips, num_frames + _OVERLAP - 1, hop)
    for place, part in enumerate(parts):
        sound[:, place : place + num_frames] += part
    return sound.flatten(1)
