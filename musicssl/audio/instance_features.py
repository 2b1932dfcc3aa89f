"""Features of stretches of sound: statistics of spectral frames, one vector for each instance."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torchaudio.functional import compute_deltas

from musicssl.errors import InputError

Floats = NDArray[np.float32]

STATISTICS = ("mean", "std", "delta_mean", "delta_std")
_DELTA_FRAMES = 9  # over which a slope is fitted, as in librosa


class InstanceFeatures(Protocol):
    """What computes the instances of a clip from its samples."""

    @property
    def sample_rate(self) -> int:
        """Sample rate of the audio, in Hz."""

    @property
    def num_features(self) -> int:
        """Number of features of an instance, F."""

    @property
    def hop_seconds(self) -> float:
        """Time from the start of an instance to that of the next one, in seconds."""

    @property
    def are_tiles(self) -> bool:
        """Whether instances follow each other without a gap or an overlap.

        Only then labels in time can be labels of instances.
        """

    def settings(self) -> dict[str, Any]:
        """Return every setting that the values depend on, for the name of a cache."""

    def __call__(self, audio: Floats) -> Floats:
        """Compute the instances of a clip, (S,) -> (T, F) float32.

        Raises:
            InputError: If the clip is empty.
        """


@dataclass(frozen=True)
class FrameStatistics(ABC):
    """Turn audio into instances: statistics of the spectral frames of every stretch of a clip.

    Attributes:
        sample_rate: Sample rate of the audio, in Hz.
        frames_per_second: Number of frames per second; their distance is rounded to whole samples.
        instance_seconds: Duration of an instance, in seconds, at least that of one frame.
        instance_hop_seconds: Time from the start of an instance to that of the next one, in
            seconds, at least that of one frame. If it is less than `instance_seconds`, instances
            overlap. None for `instance_seconds`.
        statistics: Statistics of the frames of an instance, one after the other in its features:
            "mean", "std" (standard deviation), and "delta_mean" and "delta_std", the same of
            `slopes`, which read four frames before and after the instance too.

    Raises:
        InputError: If a duration is shorter than a frame, instances would leave gaps, or a
            statistic is unknown or occurs twice.
    """

    kind: ClassVar[str]  # name in the cache
    is_local: ClassVar[bool] = True  # whether a frame depends on the sound around it alone
    version: ClassVar[int]  # of the values; part of the names of caches

    sample_rate: int = 16_000
    frames_per_second: int = 20
    instance_seconds: float = 1.0
    instance_hop_seconds: float | None = None
    statistics: Sequence[str] = ("mean",)

    def __post_init__(self) -> None:
        object.__setattr__(self, "statistics", tuple(self.statistics))
        self._check_duration("instance_seconds", self.instance_seconds)
        self._check_duration("instance_hop_seconds", self.hop_seconds)
        if self.hop_seconds > self.instance_seconds:
            raise InputError(
                f"features.instance_hop_seconds={self.hop_seconds:g} would leave gaps between "
                f"instances of {self.instance_seconds:g} s; lower it, or leave it at null."
            )
        unknown = [name for name in self.statistics if name not in STATISTICS]
        if unknown or not self.statistics or len(set(self.statistics)) < len(self.statistics):
            raise InputError(
                f"features.statistics must be one or more of {', '.join(STATISTICS)}, each once, "
                f"got [{','.join(map(str, self.statistics))}]."
            )

    @property
    @abstractmethod
    def frame_size(self) -> int:
        """Number of values of a frame, B."""

    @abstractmethod
    def frames(self, audio: Floats) -> Floats:
        """Compute the frames of a clip, (S,) -> (K, B); frame k is centred on sample k * hop."""

    @property
    def num_features(self) -> int:
        """Number of features of an instance, F."""
        return self.frame_size * len(self.statistics)

    @property
    def hop_seconds(self) -> float:
        """Time from the start of an instance to that of the next one, in seconds."""
        hop = self.instance_hop_seconds
        return self.instance_seconds if hop is None else hop

    @property
    def are_tiles(self) -> bool:
        """Whether instances follow each other without an overlap."""
        return self.hop_seconds == self.instance_seconds

    def settings(self) -> dict[str, Any]:
        """Return every setting that the values depend on, for the name of a cache.

        Means without an overlap have the names that they had before there were other instances.
        """
        settings = {"kind": self.kind, "version": self.version, **asdict(self)}
        if settings["statistics"] == ("mean",):
            del settings["statistics"]
        if self.are_tiles:
            del settings["instance_hop_seconds"]
        return settings

    def num_instances(self, num_samples: int) -> int:
        """Return the number of instances of a clip, at least one.

        The last one may be as short as half of one. A clip that is shorter is one instance.
        """
        shortest = 1 - self.instance_seconds / (2 * self.hop_seconds)
        return max(1, int(num_samples / (self.sample_rate * self.hop_seconds) + shortest))

    def __call__(self, audio: Floats) -> Floats:
        """Compute the instances of a clip.

        Args:
            audio: Mono samples in [-1, 1], (S,) float32.

        Returns:
            Instances, (T, F) float32, T = `num_instances(S)`.

        Raises:
            InputError: If the clip is empty.
        """
        if len(audio) == 0:
            raise InputError("a clip holds no sample; leave it out.")
        frames = np.ascontiguousarray(self.frames(audio))
        starts, ends = self._edges(self.num_instances(len(audio)))
        ends = np.minimum(ends, len(frames))
        pairs = list(zip(starts.tolist(), ends.tolist(), strict=True))
        changes = frames
        if any(name.startswith("delta") for name in self.statistics):
            changes = slopes(frames[: ends[-1]])
        blocks = []
        for name in self.statistics:
            of = changes if name.startswith("delta") else frames
            statistic = _std if name.endswith("std") else _mean
            blocks.append(np.stack([statistic(of[start:end]) for start, end in pairs]))
        return np.concatenate(blocks, axis=1)

    def _edges(self, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the first frame of each instance, and the one after its last.

        Each edge is rounded by itself, so that instances do not drift if their length is not a
        whole number of frames.
        """
        rate = self.sample_rate / self.hop  # frames per second
        starts = np.arange(count) * self.hop_seconds * rate
        if self.are_tiles:
            edges = _rounded(np.arange(count + 1) * (self.instance_seconds * rate))
            return edges[:-1], edges[1:]
        return _rounded(starts), _rounded(starts + self.instance_seconds * rate)

    def _check_duration(self, name: str, seconds: float) -> None:
        if seconds * self.sample_rate / self.hop < 1:
            raise InputError(
                f"features.{name}={seconds:g} is shorter than the {1 / self.frames_per_second:g} s "
                "between two frames; raise it, or raise features.frames_per_second."
            )

    @property
    def hop(self) -> int:
        """Samples from one frame to the next."""
        return self.sample_rate // self.frames_per_second


def slopes(frames: Floats) -> Floats:
    """Return the slope of each value at each frame, per frame, (K, B) -> (K, B).

    The slope is that of the straight line fitted to nine frames by least squares: the deltas of
    speech recognition, Young et al., The HTK Book, 5.9. Beyond its ends a clip is continued with
    its first and its last frame.
    """
    values: Floats = compute_deltas(torch.from_numpy(frames.T), _DELTA_FRAMES).T.numpy()
    return values


def padded_to_window(audio: Floats, n_fft: int) -> torch.Tensor:
    """Append silence to a clip that is too short to be reflected at its ends."""
    least = n_fft // 2 + 1
    return torch.from_numpy(np.pad(audio, (0, max(0, least - len(audio)))))


def _rounded(edges: NDArray[np.floating]) -> NDArray[np.int64]:
    return (edges + 0.5).astype(np.int64)


def _mean(frames: Floats) -> Floats:
    [total] = np.add.reduceat(frames, [0], axis=0)  # to the bit as stored means were added up
    mean: Floats = (total.astype(np.float64) / len(frames)).astype(np.float32)
    return mean


def _std(frames: Floats) -> Floats:
    std: Floats = frames.std(axis=0, dtype=np.float64).astype(np.float32)
    return std
