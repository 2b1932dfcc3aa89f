"""An audio file that is open for decoding, and what has to be known of it for that."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import soundfile

from musicssl.audio.av_reader import AV_SUFFIXES, AvFile
from musicssl.audio.full_scale import BLOCK
from musicssl.audio.mp3_frames import Mp3Stream
from musicssl.audio.unreadable import UnreadableAudioError
from musicssl.limits import SAMPLE_RATES

_IMPOSSIBLE = {24: "sample rate", 33: "number of channels"}  # errors of libsndfile


@dataclass(frozen=True)
class AudioHeader:
    """An audio file that can be used.

    Attributes:
        rate: Sample rate, in Hz.
        channels: Number of channels.
        frames: Number of samples of each channel, exactly, at least 1.
        peak: Largest magnitude of the samples, for files of floats; else 0. Full scale is 1.
        in_order: Whether decoding has to begin at the start of the file.
        stream: The frames to read, if it is an MP3 file that libsndfile would not read right.
        count_first: Whether a frame with the number of frames has to be put before them.
    """

    rate: int
    channels: int
    frames: int
    peak: float = 0.0
    in_order: bool = False
    stream: Mp3Stream | None = None
    count_first: bool = False


class SequentialFile(soundfile.SoundFile):  # type: ignore[misc]
    """A file that is read sequentially; soundfile itself seeks after every read.

    In MP3, a seek loses the data that later frames take from earlier ones (the bit reservoir), so
    some frames after each block would be wrong. For Ogg Vorbis see `musicssl.audio.decode`.
    """

    def seekable(self) -> bool:
        """Return False, so that soundfile does not seek."""
        return False


@contextmanager
def open_source(path: Path, header: AudioHeader) -> Iterator[Any]:
    """Open a file for decoding, by a descriptor: its name may be of any bytes."""
    if path.suffix.lower() in AV_SUFFIXES:
        with AvFile(path) as decoder:
            yield decoder
    elif header.stream is not None:
        with SequentialFile(io.BytesIO(_frames_alone(path, header))) as file:
            yield file
    else:
        with path.open("rb", 0) as raw, SequentialFile(raw.fileno(), closefd=False) as file:
            yield file


def _frames_alone(path: Path, header: AudioHeader) -> bytes:
    """Return the frames of an MP3 stream without what lies before, between and behind them."""
    assert header.stream is not None
    parts = [header.stream.header_with_length()] if header.count_first else []
    with path.open("rb") as file:
        for begin, end in header.stream.segments:
            file.seek(begin)
            parts.append(file.read(end - begin))
    return b"".join(parts)


@contextmanager
def read_errors(path: Path) -> Iterator[None]:
    """Report errors of libsndfile and of the file system with the name of the file.

    Raises:
        UnreadableAudioError: Instead of these errors.
    """
    try:
        yield
    except soundfile.LibsndfileError as error:
        raise UnreadableAudioError(path, _cause(error)) from error
    except OSError as error:
        raise UnreadableAudioError(path, f"cannot be read ({error.strerror})") from error


def _cause(error: soundfile.LibsndfileError) -> str:
    if not error.prefix:  # the file could be opened
        return f"is truncated or damaged (libsndfile: {error.error_string.strip().rstrip('.')})"
    if error.code in _IMPOSSIBLE:
        return f"states an impossible {_IMPOSSIBLE[error.code]}"
    return "is not audio that soundfile can read, or its header is damaged"


def can_read(file: soundfile.SoundFile, frame: int) -> bool:
    """Return whether a frame of an open file can be decoded."""
    try:
        file.seek(frame)
        return len(file.read(1, dtype="float32", always_2d=True)) == 1
    except soundfile.LibsndfileError:
        return False


def count_by_decoding(file: soundfile.SoundFile | AvFile) -> int:
    """Return the number of frames from the current one to the end of an open file."""
    count, size = 0, max(1, BLOCK // max(1, file.channels))
    while length := len(file.read(size, dtype="float32", always_2d=True)):
        count += length
    return count


def check_rate(path: Path, rate: int) -> None:
    """Check a sample rate, in Hz.

    Raises:
        UnreadableAudioError: If it is lower or higher than recordings have.
    """
    lowest, highest = SAMPLE_RATES
    if not lowest <= rate <= highest:
        cause = f"states a sample rate of {rate} Hz, which is not from {lowest} to {highest}"
        raise UnreadableAudioError(path, cause)


def check_not_empty(path: Path, header: AudioHeader) -> AudioHeader:
    """Return the header of a file that holds samples.

    Raises:
        UnreadableAudioError: If it holds none.
    """
    if header.frames <= 0:
        raise UnreadableAudioError(path, "holds no samples")
    return header
