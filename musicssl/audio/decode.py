"""Decode any file that soundfile reads to mono float32 samples at one sample rate.

A damaged file raises an error; it never becomes a shorter or silent clip without one. See
`musicssl.audio.truncation` for the signs of a missing end. libsndfile cannot read a FLAC stream
that does not state its length (written to a pipe).

Files are decoded in blocks that are averaged and resampled one by one: memory holds little more
than the result, whatever the length of the file and its number of channels.
"""

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from musicssl.audio.truncation import lacks_end, true_length
from musicssl.errors import InputError

_NOT_SOUND_BY_SUFFIX = {"raw", "mat4", "mat5"}  # no header to check, or usually other data
_OTHER_SUFFIXES = {"8svx", "aif", "aifc", "iff", "oga", "opus", "snd", "sph"}
AUDIO_SUFFIXES = frozenset(
    f".{name}"
    for name in {name.lower() for name in soundfile.available_formats()} - _NOT_SOUND_BY_SUFFIX
    | _OTHER_SUFFIXES
)
"""Suffixes of audio files, in lower case and with the dot."""

DECODING = 2  # version of the decoder's results; part of the names of caches

_BLOCK = 1 << 17  # samples decoded at a time, all channels together; larger buffers are slower
_QUALITY = "HQ"  # of soxr
_MARGIN = 192  # samples at the lower rate on either side: longer than the resampling filter
_VORBIS_LAST_PAGE = 1 << 18  # frames in the last page at most, 255 x 1024; seeks into it go wrong
_MP3_RUN_UP = 16 * 1152  # frames with more than the 511 bytes that a frame may refer back to
_LFS_POINTER = b"version https://git-lfs"


class UnreadableAudioError(InputError):
    """A file that cannot be used as sound.

    Attributes:
        path: The file.
        cause: The fault, as a phrase that follows the path: "is empty (0 bytes)".
    """

    def __init__(self, path: Path, cause: str) -> None:
        super().__init__(path, cause)
        self.path = path
        self.cause = cause

    def __str__(self) -> str:
        return f"{self.path} {self.cause}; replace or remove the file."


def read_audio(
    path: Path, sample_rate: int, max_seconds: float | None = None
) -> NDArray[np.float32]:
    """Decode a file to mono, the mean of its channels, and resample it to `sample_rate`.

    Args:
        path: A file in any format that soundfile reads, recognised by its content.
        sample_rate: Sample rate of the result, in Hz. soxr resamples with quality "HQ".
        max_seconds: Decode only this much from the start; damage beyond it may go undetected.

    Returns:
        Samples, (S,); full scale is [-1, 1], which a file of floats may exceed.

    Raises:
        UnreadableAudioError: If the file is missing, empty, not audio, a git-LFS pointer, damaged,
            truncated (as far as `musicssl.audio.truncation` can detect it), without samples, or
            has samples that are NaN or infinite.
    """
    with _opened(path) as file:
        stop = file.frames
        if max_seconds is not None:
            stop = min(stop, math.ceil(max_seconds * file.samplerate))
        blocks = _mono_blocks(file, path, 0, stop)
        samples = _resampled(blocks, file.samplerate, sample_rate)
    _check_length(path, len(samples), stop, sample_rate)
    return samples


def read_stretch(path: Path, sample_rate: int, start: int, num_samples: int) -> NDArray[np.float32]:
    """Decode a part of a file without decoding the rest.

    The result differs from the same part of `read_audio(path, sample_rate)` by less than 1e-6 of
    full scale, because a shorter part is resampled. Decoding starts where a sample of the file
    coincides with a sample at the new rate, so the result is not shifted in time.

    Args:
        path: A file in any format that soundfile reads.
        sample_rate: Sample rate of the result, in Hz.
        start: First sample of the part, counted at `sample_rate`.
        num_samples: Length of the part, S, counted at `sample_rate`.

    Returns:
        Samples, (S,), or fewer at the end of the file.

    Raises:
        UnreadableAudioError: See `read_audio`; damage outside of the part may go undetected.
    """
    with _opened(path) as file:
        first, stop, skipped = _frames_for(start, num_samples, file.samplerate, sample_rate)
        blocks = _mono_blocks(file, path, first, min(stop, file.frames))
        samples = _resampled(blocks, file.samplerate, sample_rate)
    return samples[skipped : skipped + num_samples]


def count_samples(path: Path, sample_rate: int) -> int:
    """Return the number of samples of `read_audio(path, sample_rate)` without decoding the file.

    The number is exact: if the headers of an MP3 file only give an estimate, frames are counted.

    Raises:
        UnreadableAudioError: See `read_audio`; NaN samples and damage in the middle of the file
            go undetected, because only headers are read.
    """
    with _opened(path) as file:
        frames = true_length(file)
        if lacks_end(file, path, frames, file.frames):
            raise UnreadableAudioError(path, "is truncated: its end is missing")
        length = math.floor(frames * sample_rate / int(file.samplerate) + 0.5)
    _check_length(path, length, frames, sample_rate)
    return length


class _SequentialFile(soundfile.SoundFile):  # type: ignore[misc]
    """A file that is read sequentially; soundfile itself seeks after every read.

    In MP3, a seek loses the data that later frames take from earlier ones (the bit reservoir), so
    some frames after each block would be wrong. For Ogg Vorbis see `_seek`.
    """

    def seekable(self) -> bool:
        """Return False, so that soundfile does not seek."""
        return False


@contextmanager
def _opened(path: Path) -> Iterator[soundfile.SoundFile]:
    _check_file(path)
    try:
        with _SequentialFile(path) as file:
            if file.format == "RAW":  # libsndfile reads an .au or .snd file without a header so
                raise UnreadableAudioError(path, _no_audio(path, "is not audio: it has no header"))
            yield file
    except soundfile.LibsndfileError as error:
        raise UnreadableAudioError(path, _cause(path, error)) from error


def _check_file(path: Path) -> None:
    if not path.exists():
        raise UnreadableAudioError(path, "does not exist")
    if not path.is_file():
        raise UnreadableAudioError(path, "is not a file")
    if path.stat().st_size == 0:
        raise UnreadableAudioError(path, "is empty (0 bytes)")


def _cause(path: Path, error: soundfile.LibsndfileError) -> str:
    if error.prefix:  # the file could not be opened; libsndfile's reason is misleading for MP3
        return _no_audio(path, "is not audio that soundfile can read, or its header is damaged")
    return f"is truncated or damaged (libsndfile: {error.error_string.strip().rstrip('.')})"


def _no_audio(path: Path, cause: str) -> str:
    """Return the cause for a file that libsndfile rejects: a git-LFS pointer, or else `cause`."""
    with path.open("rb") as file:
        if file.read(len(_LFS_POINTER)) == _LFS_POINTER:
            return "is a git-LFS pointer, not the data itself: run git lfs pull"
    return cause


def _check_length(path: Path, length: int, frames: int, sample_rate: int) -> None:
    if frames == 0:
        raise UnreadableAudioError(path, "holds no samples")
    if length == 0:
        raise UnreadableAudioError(path, f"is too short to hold one sample at {sample_rate} Hz")


def _mono_blocks(
    file: soundfile.SoundFile, path: Path, start: int, stop: int
) -> Iterator[NDArray[np.float32]]:
    """Decode the frames from start to stop; check that all are present and finite."""
    _seek(file, start)
    size = max(1, _BLOCK // file.channels)
    reached = start
    while reached < stop:
        block = file.read(min(size, stop - reached), dtype="float32", always_2d=True)  # (S, ch)
        if not len(block):
            break
        mono = _average(block)
        if not np.isfinite(mono).all():
            raise UnreadableAudioError(path, "holds samples that are NaN or infinite")
        yield mono
        reached += len(block)
    if lacks_end(file, path, reached, stop):
        raise UnreadableAudioError(path, "is truncated: its end is missing")


def _seek(file: soundfile.SoundFile, start: int) -> None:
    """Seek to a frame; where the decoder needs it, seek to an earlier frame and read up to it."""
    if file.format == "MP3":
        landing = start - _MP3_RUN_UP
    elif file.format == "OGG" and file.subtype == "VORBIS":
        landing = min(start, file.frames - _VORBIS_LAST_PAGE)
    else:
        landing = min(start, file.frames)
    landing = max(0, landing)
    if landing:
        file.seek(landing)
    if start > landing:
        file.read(start - landing, dtype="float32")


def _average(block: NDArray[np.float32]) -> NDArray[np.float32]:
    """Average the channels of a block (S, ch); ten times as fast as `mean` for such short rows."""
    if block.shape[1] == 1:
        return block[:, 0]
    with np.errstate(invalid="ignore", over="ignore"):  # infinite samples raise an error later
        total = block[:, 0].copy()
        for channel in block.T[1:]:
            total += channel
        total /= block.shape[1]
    return total  # (S,)


def _resampled(
    blocks: Iterable[NDArray[np.float32]], rate: int, sample_rate: int
) -> NDArray[np.float32]:
    if rate == sample_rate:
        pieces = list(blocks)
    else:
        stream = soxr.ResampleStream(rate, sample_rate, 1, dtype="float32", quality=_QUALITY)
        pieces = [stream.resample_chunk(block) for block in blocks]
        pieces.append(stream.resample_chunk(np.zeros(0, np.float32), last=True))
    return np.concatenate(pieces) if pieces else np.zeros(0, np.float32)


def _frames_for(start: int, length: int, rate: int, sample_rate: int) -> tuple[int, int, int]:
    """Return the frames of a file that are needed for a stretch at another sample rate.

    Returns:
        The first frame, the frame after the last, and the number of resampled samples before the
        stretch. From 44,100 to 16,000 Hz, every 441st frame coincides with every 160th sample.

    >>> _frames_for(3000, 1000, rate=44_100, sample_rate=16_000)
    (7497, 11555, 280)
    >>> _frames_for(3000, 1000, rate=16_000, sample_rate=16_000)
    (3000, 4000, 0)
    """
    if rate == sample_rate:
        return start, start + length, 0
    common = math.gcd(rate, sample_rate)
    frames, samples = rate // common, sample_rate // common
    margin = math.ceil(_MARGIN * max(1, sample_rate / rate))  # in samples of the result
    periods = max(0, start - margin) // samples
    stop = math.ceil((start + length + margin) * frames / samples)
    return periods * frames, stop, start - periods * samples
