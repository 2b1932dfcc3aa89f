"""Tones, and what is heard of them."""

import math

import torch

RATE = 16_000  # Hz


def tone(hz, seconds=1.0):
    """A sine at half of full scale, (1, S)."""
    time = torch.arange(round(seconds * RATE), dtype=torch.float64) / RATE
    return 0.5 * torch.sin(2 * math.pi * hz * time)[None]


def middle(x):
    """A clip without its edges, (S,), of which a Fourier transform may be taken."""
    x = x.squeeze(0)
    return x[len(x) // 8 : -len(x) // 8]


def trembling(hz, tremor, seconds=2.0):
    """A tone that gets louder and softer again, `tremor` times a second, (1, S)."""
    return tone(hz, seconds) * (1 + 0.8 * tone(tremor, seconds))


def tremor(x):
    """How often one clip gets louder and softer again, in Hz."""
    power = middle(x).square()
    smooth = torch.nn.functional.avg_pool1d((power - power.mean())[None], 401, 1, 200)
    return pitch(smooth, 1 << 17)


def pitch(x, size=1 << 20):
    """The strongest frequency in the middle of one clip, in Hz, by a Fourier transform."""
    heard = middle(x)
    spectrum = torch.fft.rfft(heard * torch.hann_window(len(heard), dtype=heard.dtype), n=size)
    return spectrum.abs().argmax().item() * RATE / size


def level_db(x):
    """Level of the middle of one clip relative to that of `tone`, in dB."""
    return 10 * math.log10(middle(x).square().mean().item() / (0.5**2 / 2))
