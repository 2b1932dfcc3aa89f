"""Header and last frame of a FLAC file.

See RFC 9639, sections 8.2 and 9.1, https://www.rfc-editor.org/rfc/rfc9639.
"""

from mmap import mmap
from typing import BinaryIO, NamedTuple

from musicssl.audio.unreadable import SEVERAL_STREAMS

_LARGEST_FRAME = 1 << 24  # bytes; STREAMINFO states it in 24 bits
_TAIL = 1 << 16  # bytes in which the last frame is searched for first
_BLOCK_SIZES = {1: 192, **{code: 144 << code for code in range(2, 6)}}
_BLOCK_SIZES |= {code: 1 << code for code in range(8, 16)}
_KHZ = (0, 88.2, 176.4, 192, 8, 16, 22.05, 24, 32, 44.1, 48, 96)  # by code; 0: another rate


class StreamInfo(NamedTuple):
    """What the header of a FLAC stream states.

    Attributes:
        block: Samples of a frame in a stream of equal frames.
        rate: Sample rate, in Hz.
        channels: Number of channels.
        samples: Samples of each channel; 0 if unknown.
    """

    block: int
    rate: int
    channels: int
    samples: int


def read_stream_info(file: BinaryIO) -> StreamInfo | None:
    """Read the header of a FLAC file, behind ID3 tags; None if the file is not FLAC."""
    begin = _behind_tags(file)
    file.seek(begin)
    head = file.read(4 + 4 + 34)
    if head[:4] != b"fLaC" or head[4] & 0x7F or len(head) < 42:
        return None
    packed = int.from_bytes(head[18:26], "big")  # rate 20 bits, channels 3, depth 5, samples 36
    return StreamInfo(
        block=int.from_bytes(head[8:10], "big"),
        rate=packed >> 44,
        channels=(packed >> 41 & 7) + 1,
        samples=packed & (1 << 36) - 1,
    )


def flac_fault(data: bytes | mmap, info: StreamInfo) -> str | None:
    """Return what is wrong with the header of a FLAC file, if anything.

    Frames have no size; their headers are found by a pattern and a checksum of 8 bits, in the tail
    of the file. A missing end is found by decoding the last sample.
    """
    begin = data.find(b"fLaC")
    if data.find(b"fLaC\0\0\0\x22", begin + 1) >= 0:
        return SEVERAL_STREAMS
    for length in (_TAIL, _LARGEST_FRAME):
        frames = _frames(data[max(0, len(data) - length) :], info)
        if frames:
            break
    else:
        return None
    rate = next((frame.rate for frame in frames if frame.rate), info.rate)
    if rate != info.rate:
        return f"is damaged: its header states a sample rate of {info.rate} Hz, its frames {rate}"
    if not info.samples:
        return None
    ends = [frame.stop for frame in frames]
    further = any(frame.start == info.samples for frame in frames)
    if further or (info.samples not in ends and ends[0] > info.samples):
        return f"is damaged: it holds more than the {info.samples} samples that its header states"
    return None


class _Frame(NamedTuple):
    """A frame: its first sample, the one behind it, and its rate in Hz, 0 if that of the stream."""

    start: int
    stop: int
    rate: int


def _frames(data: bytes, info: StreamInfo) -> list[_Frame]:
    """Return the frames whose headers are in `data`, the last one first."""
    frames = []
    position = len(data)
    while (position := data.rfind(b"\xff", 0, position)) >= 0:
        if data[position + 1 : position + 2] in (b"\xf8", b"\xf9"):
            frame = _frame(data[position : position + 16], info)
            if frame is not None:
                frames.append(frame)
    return frames


def _frame(head: bytes, info: StreamInfo) -> _Frame | None:
    """Read the header of a frame; None if it is none."""
    if len(head) < 6 or head[3] & 1 or not _channels_fit(head[3] >> 4, info.channels):
        return None
    number, position = _coded_number(head)
    block_code, rate_code = head[2] >> 4, head[2] & 15
    if number is None or not block_code or rate_code == 15:
        return None
    extra = {6: 1, 7: 2}.get(block_code, 0)  # bytes of a block size that is written out
    written = int.from_bytes(head[position : position + extra], "big") + 1
    block = written if extra else _BLOCK_SIZES[block_code]
    position += extra + {12: 1, 13: 2, 14: 2}.get(rate_code, 0)
    if len(head) <= position or _crc8(head[:position]) != head[position]:
        return None
    start = number if head[1] & 1 else number * info.block
    rate = round(1000 * _KHZ[rate_code]) if rate_code < len(_KHZ) else 0
    return _Frame(start, start + block, rate)


def _channels_fit(code: int, channels: int) -> bool:
    return code + 1 == channels if code < 8 else channels == 2 and code < 11


def _coded_number(head: bytes) -> tuple[int | None, int]:
    """Decode a number of up to 36 bits, written as in UTF-8; also return where it ends."""
    first = head[4]
    if first < 0x80:
        return first, 5
    length = 8 - (first ^ 0xFF).bit_length()  # ones at the start
    rest = head[5 : 4 + length]
    if length < 2 or length > 7 or len(rest) < length - 1:
        return None, 0
    number = first & (0x7F >> length)
    for byte in rest:
        if byte >> 6 != 2:
            return None, 0
        number = number << 6 | byte & 0x3F
    return number, 4 + length


def _crc8(data: bytes) -> int:
    """Return the checksum of a frame's header, with the polynomial x^8 + x^2 + x + 1.

    >>> hex(_crc8(b"123456789"))
    '0xf4'
    """
    remainder = 0
    for byte in data:
        remainder ^= byte
        for _ in range(8):
            remainder = (remainder << 1 ^ (0x107 if remainder & 0x80 else 0)) & 0xFF
    return remainder


def _behind_tags(file: BinaryIO) -> int:
    """Return the position behind ID3v2 tags at the start of a file."""
    position = 0
    while True:
        file.seek(position)
        head = file.read(10)
        if head[:3] != b"ID3" or len(head) < 10:
            return position
        size = 0
        for byte in head[6:]:
            size = size << 7 | byte & 0x7F
        position += 10 + size
