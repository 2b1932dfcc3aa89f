"""A phase vocoder with a rate for each clip, which changes the tempo and keeps the pitch.

The vocoder of Flanagan and Golden 1966, with a Fourier transform as in torchaudio and librosa,
which use one rate for all clips. Phases are not locked to each other: a drum is smeared over a
window, and a pure tone with a sudden onset may become about 3 dB softer.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import pad

from musicssl.augment.dsp.computation import working_dtype

_SECONDS = 0.064  # length of a window: long enough for two low tones, short enough for a drum
_OVERLAP = 4  # windows that overlap at each sample


def window_size(sample_rate: float) -> int:
    """Return the samples of a window: the power of two nearest to 64 ms, at least 16."""
    return 1 << max(4, round(math.log2(_SECONDS * sample_rate)))


def stretch(
    x: Tensor, rates: Tensor, num_samples: int, size: int, band: Tensor | None = None
) -> Tensor:
    """Change the tempo of each clip and keep its pitch.

    A frame of the result has the magnitudes of the clip at the corresponding time, interpolated
    linearly between frames of the clip, and its phases advance from frame to frame as they do
    there. Frames have the same distance in the result as in the clip, so that phase advances need
    not be unwrapped. Half a window at either end, 32 ms, is softer.

    Args:
        x: Sound, (B, S), finite; it is padded with silence at both ends.
        rates: Seconds of the clip per second of the result, (B, 1).
        num_samples: Length of the result, N.
        size: Number of samples of a window, a multiple of 4.
        band: Fraction of the frequencies to keep, from 0 Hz on, (B, 1); None keeps all of them.

    Returns:
        Stretched sound, (B, N), in the dtype of `x`, but at least in single precision.
    """
    hop = size // _OVERLAP
    window = torch.hann_window(size, device=x.device, dtype=working_dtype(x))
    sound = pad(x.to(window.dtype), (size // 2, size // 2 + 2 * hop))  # as many frames as at rate 1
    spectrum = torch.fft.rfft(sound.unfold(1, size, hop) * window)  # (B, T, F)
    # torch's abs, angle and polar compute the same, but take two or three times as long on a CPU.
    real, imaginary = spectrum.real.contiguous(), spectrum.imag.contiguous()
    magnitudes, phases = torch.hypot(real, imaginary), torch.atan2(imaginary, real)
    if band is not None:
        share = torch.linspace(0, 1, spectrum.shape[2], device=x.device, dtype=window.dtype)
        magnitudes = magnitudes * (share <= band)[:, None]
    num_frames = math.ceil(num_samples / hop) + _OVERLAP // 2  # all that overlap the last sample
    magnitudes, phases = _at_rates(magnitudes, phases, rates, num_frames)  # (B, K, F)
    spectrum = torch.complex(magnitudes * phases.cos(), magnitudes * phases.sin())
    frames = torch.fft.irfft(spectrum, n=size) * window  # (B, K, size)
    sound = _overlap_add(frames, hop) / _overlap_add(window.square().expand_as(frames[:1]), hop)
    return sound[:, size // 2 :][:, :num_samples]


def _at_rates(
    magnitudes: Tensor, phases: Tensor, rates: Tensor, num_frames: int
) -> tuple[Tensor, Tensor]:
    """Resample magnitudes and phases, (B, T, F), at the rates, (B, 1), to (B, K, F)."""
    positions = rates * torch.arange(num_frames, device=rates.device)  # (B, K), in frames
    before = positions.long().clamp_max(phases.shape[1] - 2)
    between = (positions - before).clamp_max(1)[..., None].to(magnitudes.dtype)
    clips = torch.arange(len(phases), device=phases.device)[:, None]  # (B, 1)
    magnitudes = torch.lerp(magnitudes[clips, before], magnitudes[clips, before + 1], between)
    advanced = pad(phases.diff(dim=1)[clips, before[:, :-1]], (0, 0, 1, 0)).cumsum(dim=1)
    # The first frames contain the silence before the clip, where the bins' phases are inconsistent.
    start = min(_OVERLAP // 2, num_frames - 1)
    position = positions[:, start : start + 1].long().clamp_max(phases.shape[1] - 1)
    phases = phases[clips, position]  # (B, 1, F)
    return magnitudes, phases + advanced - advanced[:, start : start + 1]


def _overlap_add(frames: Tensor, hop: int) -> Tensor:
    """Add overlapping frames that are a hop apart, (B, K, 4 hop) -> (B, (K + 3) hop)."""
    num_clips, num_frames, _ = frames.shape
    parts = frames.view(num_clips, num_frames, _OVERLAP, hop).unbind(2)  # (B, K, hop) each
    sound = frames.new_zeros(num_clips, num_frames + _OVERLAP - 1, hop)
    for offset, part in enumerate(parts):
        sound[:, offset : offset + num_frames] += part
    return sound.flatten(1)
