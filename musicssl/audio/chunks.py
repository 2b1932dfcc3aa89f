"""The chunks of WAV, AIFF, W64 and VOC files: where the samples are, and whether all are there."""

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from musicssl.audio.unreadable import TRUNCATED

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
            tag, channels = (int.from_bytes(half, "little") for half in (content[:2], content[2:]))
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
        return None if samples.stated >= _UNKNOWN_LENGTH else TRUNCATED
    is_unknown = samples.stated >= _LARGEST - 256  # libsndfile takes it for a size all the same
    if size >= _LARGEST and (-missing >= _LARGEST - 1 or (is_unknown and missing < 0)):
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


def stated_bytes(file: BinaryIO) -> int | None:
    """Return the size of the samples that a W64 or VOC file states; None for other files.

    libsndfile would read what lies behind the samples, too.
    """
    size = file.seek(0, 2)
    file.seek(0)
    head = file.read(40)
    if head[:4] == b"riff":
        return _stated_in_w64(file, size)
    if head[:19] == b"Creative Voice File":
        return _stated_in_voc(file, int.from_bytes(head[20:22], "little"))
    return None


def _stated_in_w64(file: BinaryIO, size: int) -> int | None:
    position = 40  # names have 16 bytes, sizes 8 and include both, chunks begin at multiples of 8
    while position + 24 <= size:
        file.seek(position)
        head = file.read(24)
        stated = int.from_bytes(head[16:], "little")
        if head[:4] == b"data":
            return stated - 24
        position += max(24, stated + -stated % 8)
    return None


def _stated_in_voc(file: BinaryIO, position: int) -> int | None:
    """Return the size of the only block of samples; None if there are several blocks."""
    file.seek(position)
    head = file.read(4)
    header = {1: 2, 9: 12}.get(head[0] if head else 0)
    if header is None:
        return None
    stated = int.from_bytes(head[1:4], "little")
    file.seek(position + 4 + stated)
    next_kind = file.read(1)
    return None if b"\1" <= next_kind <= b"\x09" else stated - header


def caf_fault(file: BinaryIO) -> str | None:
    """Return what is wrong with the chunks of a CAF file, if anything: they fill the file."""
    size = file.seek(0, 2)
    position = 8
    while position + 12 <= size:
        file.seek(position)
        head = file.read(12)
        stated = int.from_bytes(head[4:], "big", signed=True)
        if stated == -1 and head[:4] == b"data":  # up to the end
            return None
        if stated < 0 or not head[:4].isascii():
            return "is damaged: a chunk of it states an impossible size"
        position += 12 + stated
    if position > size:
        return TRUNCATED
    return None if position == size else "is damaged: other data lies behind its chunks"


def is_followed_by_another(file: BinaryIO) -> bool:
    """Whether behind a WAV, AIFF or AU file there is another one in the same file."""
    file.seek(0)
    head = file.read(12)
    if head[:4] == b".snd":
        end = int.from_bytes(head[4:8], "big") + int.from_bytes(head[8:], "big")
    elif head[:4] in _LITTLE_ENDIAN:
        order = "little" if _LITTLE_ENDIAN[head[:4]] else "big"
        size = int.from_bytes(head[4:8], order)  # type: ignore[arg-type]
        end = 8 + size + size % 2
    else:
        return False
    file.seek(end)
    return file.read(4) == head[:4]
