"""The frames of an MPEG audio stream (MP1, MP2, MP3), found by their headers.

An MP3 file has no header of its own. An encoder may write a first frame with the number of those
that follow, marked "Xing", "Info" or "VBRI"; without it, decoders guess the length from the size of
the file and the bit rate of the first frame. Here all frame headers are followed, four bytes each.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from mmap import mmap

Data = bytes | mmap  # of a file
_MARKS = (b"Xing", b"Info")
_KBPS = {  # (version 1, layer): bit rates by their index, from 1 to 14
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
_TAG_V1 = 128  # bytes of an ID3v1 tag
_HEADER = re.compile(rb"\xff[\xe2-\xff][\x10-\xef]", re.DOTALL)  # what may be one


@dataclass(frozen=True)
class Mp3Stream:
    """The frames of one MPEG audio stream.

    Attributes:
        segments: Begin and end, in bytes, of each run of frames without a gap, tags left out.
        count: Number of frames, including the one that states the length.
        samples_per_frame: Samples of each frame and channel.
        stated: Number of frames that the header states; None without such a header.
        is_stream_start: Whether the first frame is such a header, with a number or without.
        variable: Whether frames have different bit rates.
        gap: Number of bytes between frames that are neither a frame nor a tag.
        headers: Number of frames that are headers of a stream.
        channels_change: Whether some frames have one channel and some two.
        plain: Whether the file holds nothing but the frames, an ID3v2 tag and an ID3v1 tag.
        layer: 1, 2 or 3.
        first: The first four bytes of the first frame.
    """

    segments: Sequence[tuple[int, int]]
    count: int
    samples_per_frame: int
    stated: int | None
    is_stream_start: bool
    variable: bool
    gap: int
    headers: int
    channels_change: bool
    plain: bool
    layer: int
    first: bytes

    @property
    def mean_size(self) -> float:
        """Mean number of bytes of a frame."""
        return sum(end - begin for begin, end in self.segments) / max(1, self.count)

    def header_with_length(self) -> bytes:
        """Return a frame that states the number of frames, to be put before the first one."""
        bit_rate = 9 if self.first[1] >> 3 & 3 == 3 else 12  # large enough, and far from a tag's
        head = bytes((0xFF, self.first[1] | 1, bit_rate << 4 | self.first[2] & 0x0C, self.first[3]))
        size = _FrameKind(head).sizes[head[2]]
        content = head + bytes(_mark_at(head) - 4) + b"Xing" + bytes((0, 0, 0, 1))
        return (content + self.count.to_bytes(4, "big")).ljust(size, b"\0")


class _FrameKind:
    """What all frames of a stream have in common: version, layer and sample rate.

    Attributes:
        second: Second byte of a frame, with the bit set that says "no checksum".
        sizes: Size of a frame, in bytes, by its third byte; 0 if that byte is invalid.
        samples: Samples of a frame.
    """

    def __init__(self, head: bytes) -> None:
        self.second = head[1] | 1
        version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
        self.samples = 384 if layer == 1 else 1152 if layer == 2 or version == 3 else 576
        rate = _RATES[version][head[2] >> 2 & 3]
        self.sizes = [0] * 256
        for index, kbps in enumerate(_KBPS[version == 3, layer], 1):
            for padding in (0, 1):
                if layer == 1:
                    size = (12_000 * kbps // rate + padding) * 4
                else:
                    size = self.samples // 8 * 1000 * kbps // rate + padding
                for private in (0, 1):
                    third = index << 4 | head[2] & 0x0C | padding << 1 | private
                    self.sizes[third] = size

    def size_at(self, data: Data, position: int) -> int:
        """Return the size of the frame at a position; 0 if there is none."""
        head = data[position : position + 4]
        if len(head) < 4 or head[0] != 0xFF or head[1] | 1 != self.second:
            return 0
        return self.sizes[head[2]]


class _Frames:
    """What is counted of the frames of a stream.

    Attributes:
        count: Number of frames.
        headers: Number of those that are headers of a stream.
        rates: Bit rates of the others.
        modes: Whether they have one channel.
    """

    def __init__(self, kind: _FrameKind, offset: int) -> None:
        self._kind, self._offset = kind, offset
        self.count = self.headers = 0
        self.rates: set[int] = set()
        self.modes: set[bool] = set()

    def follow(self, data: Data, position: int, end: int) -> int:
        """Count successive frames from a position on; return where they end."""
        sizes, second, offset = self._kind.sizes, self._kind.second, self._offset
        count, headers = self.count, self.headers
        while position + 4 <= end and data[position] == 0xFF and data[position + 1] | 1 == second:
            third = data[position + 2]
            size = sizes[third]
            if not size or position + size > end:
                break
            mark = data[position + offset : position + offset + 4]
            if mark in _MARKS or data[position + 36 : position + 40] == b"VBRI":
                headers += 1
            elif not (count == 0 and headers):
                self.rates.add(third >> 4)
            self.modes.add(data[position + 3] >> 6 == 3)
            count += 1
            position += size
        self.count, self.headers = count, headers
        return position


def find_frames(data: Data, begin: int = 0, end: int | None = None) -> Mp3Stream | None:
    """Follow the frame headers of a stream.

    Args:
        data: The file.
        begin: Where the stream begins.
        end: Where the data of the stream ends; None for the end of the file.

    Returns:
        The frames; None if no two successive frames are found, as in free format, where frames do
        not state their size.
    """
    end = len(data) if end is None else end
    position = first = _first_frame(data, begin, end)
    if first < 0:
        return None
    head = bytes(data[first : first + 4])
    kind = _FrameKind(head)
    offset = _mark_at(head)
    frames = _Frames(kind, offset)
    segments: list[tuple[int, int]] = []
    gap = 0
    while position >= 0:
        stop = frames.follow(data, position, end)
        segments.append((position, stop))
        after = _behind_tags(data, stop, end)
        position = _next_frame(data, after, end, kind)
        gap += max(0, position - after)
    count, headers = frames.count, frames.headers
    stated, is_start = _stated(data, first, offset)
    if is_start and not _checksum_fits(data, first, offset):  # frames are counted instead
        begin_of_sound = first + kind.sizes[head[2]]
        segments[0] = (begin_of_sound, segments[0][1])
        count, headers, stated, is_start = count - 1, headers - 1, None, False
    return Mp3Stream(
        segments=segments,
        count=count,
        samples_per_frame=kind.samples,
        stated=stated,
        is_stream_start=is_start,
        variable=len(frames.rates) > 1,
        gap=gap,
        headers=headers,
        channels_change=len(frames.modes) > 1,
        plain=_is_plain(data, begin, segments),
        layer=4 - (head[1] >> 1 & 3),
        first=head,
    )


def _is_plain(data: Data, begin: int, segments: Sequence[tuple[int, int]]) -> bool:
    (first, last), *more = segments
    if more or begin or (first and (data[:3] != b"ID3" or _behind_tags(data, 0, first) != first)):
        return False
    tag = data[last : last + 3] == b"TAG" and len(data) - last == _TAG_V1
    return len(data) == last or tag


def _mark_at(head: bytes) -> int:
    """Return where the mark "Xing" is in a frame: behind its side information."""
    mono = head[3] >> 6 == 3
    if head[1] >> 3 & 3 == 3:
        return 4 + (17 if mono else 32)
    return 4 + (9 if mono else 17)


def is_frame_header(head: bytes) -> bool:
    """Whether four bytes are the header of a frame that states its size."""
    return (
        len(head) == 4
        and head[0] == 0xFF
        and head[1] >> 5 == 7
        and head[1] >> 3 & 3 != 1
        and head[1] >> 1 & 3 != 0
        and 0 < head[2] >> 4 < 15
        and head[2] >> 2 & 3 != 3
    )


def _first_frame(data: Data, begin: int, end: int) -> int:
    """Return where the first of two successive frames is, or -1."""
    position = _behind_tags(data, begin, end)
    while (found := _HEADER.search(data, position, end)) is not None:
        position = found.start()
        head = bytes(data[position : position + 4])
        if is_frame_header(head):
            kind = _FrameKind(head)
            following = position + kind.sizes[head[2]]
            if following == end or (kind.size_at(data, following) and following < end):
                return position
        position += 1
    return -1


def _next_frame(data: Data, position: int, end: int, kind: _FrameKind) -> int:
    """Return where the next frame is that another one or the end follows, or -1."""
    begins = re.compile(b"\xff[%s]" % re.escape(bytes((kind.second, kind.second & 0xFE))))
    while (found := begins.search(data, position, end)) is not None:
        position = found.start()
        size = kind.size_at(data, position)
        following = position + size
        if size and (following == end or (following < end and kind.size_at(data, following))):
            return position
        position += 1
    return -1


def _behind_tags(data: Data, position: int, end: int) -> int:
    """Return the position behind ID3v2, ID3v1 and APE tags."""
    while True:
        head = data[position : min(end, position + 32)]
        if head[:3] == b"ID3" and len(head) >= 10:
            size = 0
            for byte in head[6:10]:
                size = size << 7 | byte & 0x7F
            position += 10 + size + (10 if head[5] & 0x10 else 0)
        elif head[:8] == b"APETAGEX" and len(head) == 32:
            is_footer = not head[23] & 0x20
            position += 32 + (0 if is_footer else int.from_bytes(head[12:16], "little"))
        elif head[:3] == b"TAG" and position + _TAG_V1 <= end:
            position += _TAG_V1
        else:
            return min(position, end)


def _stated(data: Data, first: int, offset: int) -> tuple[int | None, bool]:
    """Return the number of frames that the first frame states, and whether it is a header."""
    if data[first + offset : first + offset + 4] in _MARKS:
        flags = data[first + offset + 7]
        number = data[first + offset + 8 : first + offset + 12]
        return (int.from_bytes(number, "big") if flags & 1 else None), True
    if data[first + 36 : first + 40] == b"VBRI":
        return int.from_bytes(data[first + 50 : first + 54], "big"), True
    return None, False


def _checksum_fits(data: Data, first: int, offset: int) -> bool:
    """Whether the header that LAME and FFmpeg write matches its checksum; True if it has none.

    The checksum is at the end of the header; FFmpeg always computes it of 190 bytes.
    """
    flags, end = data[first + offset + 7], offset + 154
    name = data[first + offset + 120 : first + offset + 124]
    stored = int.from_bytes(data[first + end : first + end + 2], "big")
    if flags != 15 or name not in (b"LAME", b"Lavc", b"Lavf") or not stored:
        return True
    lengths = {end, 190}
    return any(_crc16(data[first : first + length]) == stored for length in lengths)


def _crc16(data: bytes) -> int:
    """Return the checksum with the polynomial x^16 + x^15 + x^2 + 1, least bits first.

    >>> hex(_crc16(b"123456789"))
    '0xbb3d'
    """
    remainder = 0
    for byte in data:
        remainder ^= byte
        for _ in range(8):
            remainder = remainder >> 1 ^ (0xA001 if remainder & 1 else 0)
    return remainder
