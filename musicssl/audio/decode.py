"""Decode any audio file to mono float32 samples at one sample rate.

Whether a file can be used and how long it is, is decided by `musicssl.audio.inspection`. A damaged
file raises an error; it never becomes a shorter or silent clip without one.

Files are decoded in blocks that are averaged and resampled one by one: memory holds little more
than the result, whatever the length of the file and its number of channels.
"""

import math
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from musicssl.audio.av_reader import AvFile
from musicssl.audio.inspection import inspect, opened
from musicssl.audio.source import AudioHeader
from musicssl.audio.unreadable import UnreadableAudioError
from musicssl.limits import MOST_SAMPLES

_BLOCK = 1 << 17  # samples decoded at a time, all channels together; larger buffers are slower
_QUALITY = "HQ"  # of soxr
_MARGIN = 192  # samples at the lower rate on either side: longer than the resampling filter
_VORBIS_LAST_PAGE = 1 << 18  # frames in the last page at most, 255 x 1024; seeks into it go wrong
_MP3_RUN_UP = 16 * 1152  # frames with more than the 511 bytes that a frame may refer back to


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
        UnreadableAudioError: If the file cannot be used (see `musicssl.audio.inspection.inspect`),
            is damaged inside, is too short for one sample at that rate or has more than
            `musicssl.limits.MOST_SAMPLES`, or has samples that are NaN or infinite.
    """
    header = inspect(path)
    stop = header.frames
    if max_seconds is not None:
        stop = min(stop, math.ceil(max_seconds * header.rate))
    length = _length(path, stop, header.rate, sample_rate)
    blocks = _mono_blocks(path, 0, stop)
    return _resampled(blocks, path, header.rate, sample_rate, length)


def stream_audio(path: Path, sample_rate: int) -> Iterator[NDArray[np.float32]]:
    """Yield the samples of `read_audio(path, sample_rate)` in blocks, (S,) each, in order.

    Memory does not grow with the length of the file, which may be any.

    Args:
        path: A file in any format that soundfile reads.
        sample_rate: Sample rate of the result, in Hz.

    Raises:
        UnreadableAudioError: See `read_audio`.
    """
    header = inspect(path)
    length = _length(path, header.frames, header.rate, sample_rate, math.inf)
    blocks = _mono_blocks(path, 0, header.frames)
    yield from _resampled_blocks(blocks, path, header.rate, sample_rate, length)


def resample(samples: NDArray[np.float32], rate: int, sample_rate: int) -> NDArray[np.float32]:
    """Resample mono samples, (S,), as `read_audio` resamples those of a file.

    Args:
        samples: At `rate`, in Hz.
        rate: Sample rate of the samples.
        sample_rate: Sample rate of the result.
    """
    length = resampled_length(len(samples), rate, sample_rate)
    return np.concatenate(list(_pieces([samples], rate, sample_rate)))[:length]


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
    header = inspect(path)
    whole = _length(path, header.frames, header.rate, sample_rate)
    first, stop, skipped = _frames_for(start, num_samples, header.rate, sample_rate)
    stop = min(stop, header.frames)
    most = resampled_length(stop - first, header.rate, sample_rate)
    blocks = _mono_blocks(path, first, stop)
    samples = _resampled(blocks, path, header.rate, sample_rate, most)
    return samples[skipped : skipped + max(0, min(num_samples, whole - start))]


def count_samples(path: Path, sample_rate: int) -> int:
    """Return the number of samples of `read_audio(path, sample_rate)`, see `inspect` for its cost.

    Raises:
        UnreadableAudioError: See `read_audio`; damage inside of the file goes undetected.
    """
    header = inspect(path)
    return _length(path, header.frames, header.rate, sample_rate)


def resampled_length(frames: int, rate: int, sample_rate: int) -> int:
    """Return the number of samples after resampling, rounded half up.

    >>> resampled_length(2_000, rate=24_000, sample_rate=22_050)  # 1837.5
    1838
    """
    return (2 * frames * sample_rate + rate) // (2 * rate)


def _length(
    path: Path, frames: int, rate: int, sample_rate: int, most: float = MOST_SAMPLES
) -> int:
    length = resampled_length(frames, rate, sample_rate)
    if length == 0:
        raise UnreadableAudioError(path, f"is too short to hold one sample at {sample_rate} Hz")
    if length > most:
        hours = length / sample_rate / 3600
        cause = f"has {length:,} samples at {sample_rate} Hz ({hours:.0f} h), more than {most:,}"
        raise UnreadableAudioError(path, f"{cause}; divide it into shorter ones")
    return length


def _mono_blocks(path: Path, start: int, stop: int) -> Iterator[NDArray[np.float32]]:
    """Decode the frames from start to stop; check that all are present and finite."""
    with opened(path) as (header, file):
        _seek(file, header, start)
        size = max(1, _BLOCK // header.channels)
        reached = start
        while reached < stop:
            block = file.read(min(size, stop - reached), dtype="float32", always_2d=True)  # (S, ch)
            if not len(block):
                seconds = reached / header.rate
                raise UnreadableAudioError(path, f"is damaged: decoding stops at {seconds:.2f} s")
            mono = _average(block)
            _check_finite(path, mono)
            yield mono
            reached += len(block)


def _check_finite(path: Path, samples: NDArray[np.float32]) -> None:
    if not np.isfinite(samples).all():
        raise UnreadableAudioError(path, "holds samples that are NaN or infinite")


def _seek(file: soundfile.SoundFile | AvFile, header: AudioHeader, start: int) -> None:
    """Go to a frame; where the decoder needs it, go to an earlier frame and read up to it."""
    if isinstance(file, AvFile) or header.in_order:
        landing = 0
    elif file.format == "MP3":
        landing = start - _MP3_RUN_UP
    elif file.format == "OGG" and file.subtype == "VORBIS":
        landing = min(start, header.frames - _VORBIS_LAST_PAGE)
    else:
        landing = min(start, header.frames)
    landing = max(0, landing)
    if landing and not isinstance(file, AvFile):
        file.seek(landing)
    size = max(1, _BLOCK // header.channels)
    for position in range(landing, start, size):
        file.read(min(size, start - position), dtype="float32", always_2d=True)


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
    blocks: Iterable[NDArray[np.float32]], path: Path, rate: int, sample_rate: int, length: int
) -> NDArray[np.float32]:
    """Resample to exactly `length` samples; zeros follow the end of the sound."""
    pieces = list(_resampled_blocks(blocks, path, rate, sample_rate, length))
    return np.concatenate(pieces) if pieces else np.zeros(0, np.float32)


def _resampled_blocks(
    blocks: Iterable[NDArray[np.float32]], path: Path, rate: int, sample_rate: int, length: int
) -> Iterator[NDArray[np.float32]]:
    """Resample block by block, up to `length` samples of the result."""
    left = length
    for piece in _pieces(blocks, rate, sample_rate):
        piece = piece[:left]
        _check_finite(path, piece)
        left -= len(piece)
        yield piece


def _pieces(
    blocks: Iterable[NDArray[np.float32]], rate: int, sample_rate: int
) -> Iterator[NDArray[np.float32]]:
    if rate == sample_rate:
        yield from blocks
        return
    stream = soxr.ResampleStream(rate, sample_rate, 1, dtype="float32", quality=_QUALITY)
    for block in blocks:
        yield stream.resample_chunk(block)
    # soxr rounds an exact half now up, now down: it is given enough to round up
    end = np.zeros(2 * math.ceil(rate / sample_rate), np.float32)
    yield stream.resample_chunk(end, last=True)


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
