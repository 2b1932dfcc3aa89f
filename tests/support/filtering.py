"""What is measured of filters."""

import math

import numpy as np
import torch
from scipy import signal

RATE = 8000  # Hz
OCTAVE = 20 * math.log10(2)  # dB


def gains(transform, samples=1 << 14):
    """Frequencies in Hz, and the gain of a filter at each, from what it makes of an impulse."""
    torch.manual_seed(0)
    x = torch.zeros(1, samples, dtype=torch.float64)
    x[0, samples // 2] = 1
    spectrum = torch.fft.rfft(transform(x)[0]).abs().numpy()
    return np.fft.rfftfreq(samples, 1 / RATE), spectrum


def gain_of_tone(transform, hz, samples=8000):
    """Level of a tone after a filter relative to before, in its middle."""
    torch.manual_seed(0)
    x = torch.sin(2 * math.pi * hz * torch.arange(samples, dtype=torch.float64) / RATE)[None]
    middle = slice(samples // 4, 3 * samples // 4)
    return (transform(x)[0, middle].norm() / x[0, middle].norm()).item()


def butterworth(order, edges, kind, hz):
    """Gains of the analogue filter of SciPy."""
    b, a = signal.butter(order, 2 * np.pi * np.array(edges), kind, analog=True)
    return np.abs(signal.freqs(b, a, 2 * np.pi * hz)[1])
