"""Decode audio files that libsndfile cannot read, such as AAC and WMA, through PyAV (FFmpeg).

PyAV is optional: `pip install 'musicssl[av]'`.
"""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicssl.audio.unreadable import UnreadableAudioError

AV_SUFFIXES = frozenset(
    {
        ".aac",
        ".ac3",
        ".amr",
        ".ape",
        ".dff",
        ".dsf",
        ".dts",
        ".eac3",
        ".m4a",
        ".m4b",
        ".mka",
        ".mp4",
    }
    | {".mpc", ".tta", ".webm", ".wma", ".wv"}
)
"""Suffixes of audio files that need PyAV, in lower case and with the dot."""

INSTALL = "pip install 'musicssl[av]'"
_RAW_STREAMS = {"aac", "ac3", "amr", "dts", "eac3"}  # their duration is estimated from a bit rate
_SLACK = 0.2  # seconds that a stated duration may exceed the samples: padding of the encoder


def has_av() -> bool:
    """Whether PyAV is installed."""
    spec = find_spec("av")
    return spec is not None and spec.origin is not None  # a mere folder of that name has none


class AvFile:
    """An audio file that is decoded from its start, with the methods of `soundfile.SoundFile`.

    Attributes:
        samplerate: Sample rate, in Hz.
        channels: Number of channels.

    Raises:
        UnreadableAudioError: If the file is not audio that FFmpeg can read.
    """

    def __init__(self, path: Path) -> None:
        import av

        self._path = path
        self._file = path.open("rb")
        try:
            self._container: Any = av.open(self._file, mode="r")
        except (av.FFmpegError, ValueError) as error:
            self._file.close()
            raise UnreadableAudioError(path, "is not audio that FFmpeg can read") from error
        streams = self._container.streams.audio
        if not streams:
            self._close()
            raise UnreadableAudioError(path, "has no sound")
        self._stream = streams[0]
        self.samplerate = int(self._stream.codec_context.sample_rate or 0)
        self.channels = int(self._stream.codec_context.channels or 0)
        self._frames = self._decoded()
        self._rest = np.zeros((0, self.channels), np.float32)

    def __enter__(self) -> "AvFile":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._close()

    def read(
        self, frames: int, dtype: str = "float32", always_2d: bool = True
    ) -> NDArray[np.float32]:
        """Return the next frames, (S, channels) float32, or fewer at the end."""
        parts, count = [self._rest], len(self._rest)
        while count < frames:
            part = next(self._frames, None)
            if part is None:
                break
            parts.append(part)
            count += len(part)
        samples = np.concatenate(parts)
        self._rest = samples[frames:]
        return samples[:frames]

    def stated_seconds(self) -> float | None:
        """Return the duration that the container states; None if it does not."""
        if self._container.format.name in _RAW_STREAMS:
            return None
        if self._stream.duration is not None:
            return float(self._stream.duration * self._stream.time_base)
        if self._container.duration is not None:
            return float(self._container.duration / 1_000_000)
        return None

    def is_cut(self, frames: int) -> bool:
        """Whether the file holds fewer than its stated frames."""
        stated = self.stated_seconds()
        return stated is not None and frames < (stated - _SLACK) * self.samplerate

    def _decoded(self) -> Iterator[NDArray[np.float32]]:
        """Decode blocks, (S, channels), all at the rate and with the channels of the first."""
        import av

        resampler = av.AudioResampler("fltp")  # converts numbers only
        try:
            for frame in self._container.decode(self._stream):
                form = (frame.sample_rate, len(frame.layout.channels))
                if form != (self.samplerate, self.channels):
                    cause = "changes its sample rate or channels on the way"
                    raise UnreadableAudioError(self._path, cause)
                for part in resampler.resample(frame):
                    yield part.to_ndarray().T
        except av.FFmpegError as error:
            cause = f"is truncated or damaged (FFmpeg: {error.strerror})"
            raise UnreadableAudioError(self._path, cause) from error

    def _close(self) -> None:
        self._container.close()
        self._file.close()
