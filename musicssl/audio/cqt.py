"""Constant-Q spectra, whose bands are as far apart as notes, as instances on disk."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from musicssl.audio.instance_features import FrameStatistics, padded_to_window
from musicssl.errors import InputError

_FRAMES_AT_ONCE = 256  # whose spectra are in memory


@dataclass(frozen=True)
class CQT(FrameStatistics):
    """Turn audio into instances: statistics of the constant-Q spectra of every stretch of a clip.

    Band k is centred on f_k = min_hz 2^(k / bins_per_octave), and its window has the same number of
    periods of f_k in every band: the kernels are those of librosa (`librosa.filters.wavelet`, Hann,
    filter_scale 1). Values are decibels relative to a full-scale sine of the frequency of the band,
    mapped so that `floor_db` is 0 and 0 dB is 1, and clipped to [0, 1], as those of `LogMel`.

    Differences from `librosa.cqt`: every kernel is applied to the sound itself, while librosa
    applies those of one octave to sound that was resampled for each lower octave, which is faster
    and less exact. Clips are reflected at their ends. The scale does not depend on the length of
    the window, as librosa's does. For the durations and the statistics see `FrameStatistics`.

    Attributes:
        min_hz: Frequency of the lowest band; 32.7 Hz is C1.
        num_bins: Number of bands, B.
        bins_per_octave: Bands in an octave.
        floor_db: Level in dB below which values are 0.

    Raises:
        InputError: If a setting is out of range, or the highest band reaches beyond half the
            sample rate; see also `FrameStatistics`.
    """

    kind: ClassVar[str] = "cqt"
    version: ClassVar[int] = 1

    statistics: Sequence[str] = ("mean", "std")
    min_hz: float = 32.703
    num_bins: int = 84
    bins_per_octave: int = 12
    floor_db: float = -80.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.num_bins < 1 or self.bins_per_octave < 1 or not self.min_hz > 0:
            raise InputError(
                "features.num_bins and features.bins_per_octave must be 1 or more, and "
                f"features.min_hz above 0, got {self.num_bins}, {self.bins_per_octave} and "
                f"{self.min_hz:g}."
            )
        if not self.floor_db < 0:
            raise InputError(f"features.floor_db must be below 0, got {self.floor_db:g}.")
        highest = self.frequencies[-1] * (1 + 1 / (2 * self.periods))  # where its band ends
        if highest > self.sample_rate / 2:
            raise InputError(
                f"features.num_bins={self.num_bins} bands from {self.min_hz:g} Hz up reach "
                f"{highest:,.0f} Hz, beyond half the sample rate of {self.sample_rate}; lower it."
            )

    @property
    def frame_size(self) -> int:
        """Number of bands, B."""
        return self.num_bins

    @property
    def frequencies(self) -> NDArray[np.float64]:
        """Centre of each band, in Hz, (B,)."""
        octaves: NDArray[np.float64] = np.arange(self.num_bins) / self.bins_per_octave
        return self.min_hz * 2.0**octaves

    @property
    def periods(self) -> float:
        """Periods of the frequency of a band in its window: Q."""
        ratio: float = 2.0 ** (2 / self.bins_per_octave)
        return (ratio + 1) / (ratio - 1)

    def frames(self, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute the spectra of a clip, (S,) -> (K, B), in [0, 1]."""
        amplitude = np.concatenate(list(self._amplitudes(audio)), axis=1)
        decibels = 20 * np.log10(np.maximum(amplitude, 1e-6))
        scaled: NDArray[np.float32] = np.clip(1 - decibels / self.floor_db, 0, 1)
        return scaled

    def _amplitudes(self, audio: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        """Yield the amplitudes of some bands, (K, b) each, from low to high."""
        largest = self._kernels[0][0]
        sound = padded_to_window(audio, largest).numpy()
        for size, kernels in self._kernels:
            whole = torch.from_numpy(np.pad(sound, size // 2, mode="reflect"))
            windows = whole.unfold(0, size, self.hop)
            parts = torch.split(windows, _FRAMES_AT_ONCE)
            yield torch.cat([(torch.fft.rfft(part) @ kernels).abs() for part in parts]).numpy()

    @cached_property
    def _kernels(self) -> list[tuple[int, Tensor]]:
        """Spectra of the kernels, (size / 2 + 1, b), of the bands whose windows fit into a size.

        By Parseval's theorem the product with the spectrum of a window of that size is that of the
        kernel with the sound in it. Kernels have hardly any negative frequencies, which are left
        out.
        """
        lengths = self.periods * self.sample_rate / self.frequencies
        kernels = [
            _kernel(frequency / self.sample_rate, length)
            for frequency, length in zip(self.frequencies, lengths, strict=True)
        ]
        groups = groupby(kernels, key=lambda kernel: 2 ** math.ceil(math.log2(len(kernel))))
        return [(size, _spectra(list(members), size)) for size, members in groups]


def _kernel(frequency: float, length: float) -> NDArray[np.complex128]:
    """Return a complex exponential in a Hann window that sums to 2: a sine has its amplitude.

    Args:
        frequency: In cycles per sample.
        length: Length of the window, in samples.
    """
    time = np.arange(-length // 2, length // 2)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(len(time)) / len(time))
    kernel: NDArray[np.complex128] = np.exp(2j * np.pi * frequency * time) * window
    kernel *= 2 / window.sum()
    return kernel


def _spectra(kernels: Sequence[NDArray[np.complex128]], size: int) -> Tensor:
    """Return the conjugate spectra of kernels in the middle of a window, (size / 2 + 1, b)."""
    padded = np.zeros((len(kernels), size), np.complex128)
    for row, kernel in zip(padded, kernels, strict=True):
        start = (size - len(kernel)) // 2
        row[start : start + len(kernel)] = kernel
    spectra = np.fft.fft(padded)[:, : size // 2 + 1].conj().T / size
    return torch.from_numpy(np.ascontiguousarray(spectra).astype(np.complex64))
