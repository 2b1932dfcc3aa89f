"""The log-mel spectra of VGGish."""

import torch
from torch import Tensor, nn

SAMPLE_RATE = 16_000  # Hz
WINDOW, HOP = 400, 160  # samples: 25 ms and 10 ms
NUM_MELS = 64
_N_FFT = 512
_LOWEST, _HIGHEST = 125.0, 7500.0  # Hz
_OFFSET = 0.01  # added to the magnitude in a band


class VGGishLogMel(nn.Module):
    """Turn sound at 16 kHz into the spectra that VGGish reads.

    Hershey et al. 2017, https://arxiv.org/abs/1609.09430, in the form of the authors' code: windows
    of 400 samples (Hann of period 400), 160 apart, the first at the first sample; the magnitude,
    not the power, of a Fourier transform of 512; 64 triangles of height 1 from 125 to 7,500 Hz,
    linear in mel = 1127 log(1 + f / 700); log(magnitude + 0.01).

    The module has no parameters and stores nothing in a checkpoint. It computes in float32 whatever
    the precision of training.
    """

    window: Tensor
    bands: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(WINDOW), persistent=False)
        self.register_buffer("bands", _triangles(), persistent=False)  # (257, F)

    def forward(self, sound: Tensor) -> Tensor:
        """Compute the spectra of sound, (K, S) -> (K, F, T), T = 1 + (S - 400) // 160.

        Args:
            sound: In [-1, 1], at least 400 samples.
        """
        with torch.autocast(sound.device.type, enabled=False):
            frames = sound.float().unfold(1, WINDOW, HOP) * self.window.float()  # (K, T, 400)
            magnitude = torch.fft.rfft(frames, _N_FFT).abs()  # (K, T, 257)
            spectra: Tensor = (magnitude @ self.bands.float() + _OFFSET).log().transpose(1, 2)
            return spectra


def _triangles() -> Tensor:
    """Return the weight of each bin of the transform in each band, (257, F)."""
    bins = _mel(torch.linspace(0, SAMPLE_RATE / 2, _N_FFT // 2 + 1, dtype=torch.float64))[:, None]
    lowest, highest = (_mel(torch.tensor(f, dtype=torch.float64)) for f in (_LOWEST, _HIGHEST))
    edges = torch.linspace(float(lowest), float(highest), NUM_MELS + 2, dtype=torch.float64)
    below, centre, above = edges[:-2], edges[1:-1], edges[2:]
    rising, falling = (bins - below) / (centre - below), (above - bins) / (above - centre)
    return torch.minimum(rising, falling).clamp_min(0).float()


def _mel(frequency: Tensor) -> Tensor:
    return 1127 * torch.log1p(frequency / 700)
