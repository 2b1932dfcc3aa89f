"""Log-mel instances: one spectrum for each second of a clip."""

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torchaudio.transforms import MelSpectrogram

from musicssl.errors import InputError

_VERSION = 1  # of what these settings compute; a new one makes caches anew


@dataclass(frozen=True)
class LogMel:
    """Turn audio into instances: the mean log-mel spectrum of each stretch of `instance_seconds`.

    Values are decibels relative to a full-scale sine, mapped so that `floor_db` is 0 and 0 dB is 1,
    and clipped to [0, 1]: the scale of VGGish bytes divided by 255, which the residual connection
    of ATT wants.

    Attributes:
        sample_rate: Of the audio, in Hz.
        num_mels: Bands between 0 Hz and half the sample rate, and features of an instance.
        n_fft: Window length in samples (Hann).
        frames_per_second: Spectra averaged into one second, up to the rounding of their distance to
            whole samples.
        instance_seconds: Duration of an instance, in seconds, at least that of one frame.
        floor_db: Level in dB below which everything is 0.

    Raises:
        InputError: If an instance is shorter than a frame.
    """

    sample_rate: int = 16_000
    num_mels: int = 128
    n_fft: int = 2048
    frames_per_second: int = 20
    instance_seconds: float = 1.0
    floor_db: float = -80.0

    def __post_init__(self) -> None:
        if self._frames_per_instance < 1:
            raise InputError(
                f"features.instance_seconds={self.instance_seconds:g} is shorter than the "
                f"{1 / self.frames_per_second:g} s between two frames; raise it, or raise "
                "features.frames_per_second."
            )

    def settings(self) -> dict[str, Any]:
        """All that the values depend on, for the name of a cache."""
        return {"kind": "log_mel", "version": _VERSION, **asdict(self)}

    def num_instances(self, num_samples: int) -> int:
        """Count the instances of a clip: a last one is kept if at least half of it is there.

        >>> LogMel().num_instances(16_000 * 10), LogMel().num_instances(16_000 * 8 + 7_000)
        (10, 8)
        """
        return int(num_samples / (self.sample_rate * self.instance_seconds) + 0.5)

    def frames(self, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute the spectra of a clip, (S,) -> (K, num_mels), in [0, 1], for pictures."""
        least = self.n_fft // 2 + 1  # what the reflection at the edges needs
        padded = np.pad(audio, (0, max(0, least - len(audio))))
        power = self._spectrogram(torch.from_numpy(padded)).T  # (K, F)
        decibels = 10 * torch.log10(power.clamp_min(1e-12) / self._full_scale_power)
        scaled: NDArray[np.float32] = (1 - decibels / self.floor_db).clamp(0, 1).numpy()
        return scaled

    def __call__(self, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute the instances of a clip.

        Args:
            audio: Mono samples in [-1, 1], (S,) float32.

        Returns:
            Instances in [0, 1], (T, num_mels) float32, T = `num_instances(S)`.

        Raises:
            InputError: If the clip is shorter than half an instance.
        """
        count = self.num_instances(len(audio))
        if count == 0:
            raise InputError(
                f"a clip of {len(audio) / self.sample_rate:.3f} s is shorter than one instance of "
                f"{self.instance_seconds:g} s; leave it out or lower features.instance_seconds."
            )
        # Frame k is centred on sample k * hop. Edges are rounded one by one: instances whose length
        # is no whole number of frames do not drift away from their time.
        edges = (np.arange(count + 1) * self._frames_per_instance + 0.5).astype(np.int64)
        frames, starts = self.frames(audio)[: edges[-1]], edges[:-1]
        sizes = np.diff(np.append(starts, len(frames)))  # the last one may be shorter
        instances: NDArray[Any] = np.add.reduceat(frames, starts, axis=0) / sizes[:, None]  # (T, F)
        return instances.astype(np.float32)

    @property
    def _hop(self) -> int:
        return self.sample_rate // self.frames_per_second

    @property
    def _frames_per_instance(self) -> float:
        return self.instance_seconds * self.sample_rate / self._hop

    @cached_property
    def _spectrogram(self) -> MelSpectrogram:
        return MelSpectrogram(
            self.sample_rate,
            n_fft=self.n_fft,
            hop_length=self._hop,
            n_mels=self.num_mels,
        )

    @cached_property
    def _full_scale_power(self) -> float:
        return float((torch.hann_window(self.n_fft).sum() / 2) ** 2)
