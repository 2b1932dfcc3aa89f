"""The chunks of a WAV or AIFF file: where its samples are, and whether it holds all of them."""

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

_LITTLE_ENDIAN = {b"RIFF": True, b"RIFX": False, b"FORM": False}
_SAMPLES = (b"data", b"SSND")
_UNKNOWN_LENGTH = 0x7FFF_F000  # bytes; programs that write to a pipe state this or more
_LARGEST = 1 << 32  # bytes of a chunk, whose size has 32 bits
_MP3_TAG = 0x55  # format of WAV files that hold an MP3 stream


class Samples(NamedTuple):
    """The chunk with the samples of a file.

    Attributes:
        begin: Where they begin, in bytes.
        end: Where they end, at most the end of the file.
        stated: Their stated size, in bytes.
        is_mp3: Whether the samples are an MP3 stream.
        channels: Number of channels that a WAV states, else 0.
    """

    begin: int
    end: int
    stated: int
    is_mp3: bool
    channels: int


def find_samples(file: BinaryIO) -> Samples | None:
    """Find the samples of a WAV or AIFF file; None if it is none or its chunks are damaged."""
    size = file.seek(0, 2)
    tag, channels = 0, 0
    for name, begin, stated in _chunks(file, size):
        if name == b"fmt ":
            file.seek(begin)
            content = file.read(4)
            tag, channels = int.from_bytes(content[:2], "little"), content[2] | content[3] << 8
        if name in _SAMPLES:
            return Samples(begin, min(size, begin + stated), stated, tag == _MP3_TAG, channels)
    return None


def samples_fault(samples: Samples, size: int) -> str | None:
    """Return what is wrong with the size of the samples in a file of `size` bytes, if anything.

    A size beyond 2 GB that the file does not reach means "up to the end". A WAV that holds more
    than 4 GiB states its size without the bits beyond the 32nd.
    """
    missing = samples.begin + samples.stated - size
    if missing > 0:
        return None if samples.stated >= _UNKNOWN_LENGTH else "is truncated: its end is missing"
    if size >= _LARGEST and -missing >= _LARGEST - 1:
        return (
            "is larger than its header says, which can state 4 GiB at most; "
            "write it as RF64, W64 or FLAC"
        )
    return None


def _chunks(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, begin and stated size of each chunk."""
    file.seek(0)
    head = file.read(12)
    if head[:4] not in _LITTLE_ENDIAN or len(head) < 12:
        return
    order = "little" if _LITTLE_ENDIAN[head[:4]] else "big"
    position = 12
    while position + 8 <= size:
        file.seek(position)
        head = file.read(8)
        stated = int.from_bytes(head[4:], order)  # type: ignore[arg-type]
        yield head[:4], position + 8, stated
        position += 8 + stated + stated % 2
