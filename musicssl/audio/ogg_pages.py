"""The pages of an Ogg file, checked without decoding them.

See RFC 3533, section 6, https://www.rfc-editor.org/rfc/rfc3533, for the format of a page.
"""

import zlib
from collections.abc import Iterator
from mmap import mmap
from typing import NamedTuple

from musicssl.audio.unreadable import SEVERAL_STREAMS, TRUNCATED

_HEADER = 27  # bytes of a page's header before the table of its segments
_BEGIN, _END = 2, 4  # flags of the first and the last page of a stream
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class _Page(NamedTuple):
    flags: int
    stream: bytes
    number: int
    valid: bool  # whether the checksum is right


def ogg_fault(data: bytes | mmap) -> str | None:
    """Return what is wrong with an Ogg file, as a phrase that follows its path; None if nothing.

    Data behind the last page of a stream, such as a tag, is no fault.
    """
    numbers: dict[bytes, int] = {}
    ended: set[bytes] = set()
    begun = False  # whether pages other than first ones were seen
    behind = 0  # where the last page ends
    for page, stop in _pages(data):
        behind = stop
        if not page.valid:
            return "is damaged: a page of its Ogg stream does not match its checksum"
        if page.flags & _BEGIN:
            if begun:
                return SEVERAL_STREAMS
        elif page.number != numbers.get(page.stream, -1) + 1:
            return "is damaged: pages of its Ogg stream are missing"
        else:
            begun = True
        numbers[page.stream] = page.number
        if page.flags & _END:
            ended.add(page.stream)
    if data.find(b"OggS", behind + 1) >= 0:
        return "is damaged: other data lies between the pages of its Ogg stream"
    return None if ended >= set(numbers) else TRUNCATED


def _pages(data: bytes | mmap) -> Iterator[tuple[_Page, int]]:
    """Yield each page and where it ends, up to the first place where no whole page begins."""
    start = 0
    while data[start : start + 4] == b"OggS":
        number_of_segments = data[start + _HEADER - 1 : start + _HEADER]
        if not number_of_segments:
            return
        table = data[start + _HEADER : start + _HEADER + number_of_segments[0]]
        stop = start + _HEADER + len(table) + sum(table)
        if stop > len(data):
            return
        page = data[start:stop]
        valid = page[22:26] == _checksum(page[:22] + bytes(4) + page[26:])
        number = int.from_bytes(page[18:22], "little")
        yield _Page(flags=page[5], stream=page[14:18], number=number, valid=valid), stop
        start = stop


def _checksum(page: bytes) -> bytes:
    """Return the CRC-32 of a page, which has the polynomial of zlib's, but most bits first.

    >>> _checksum(b"123456789").hex()
    '7f89a189'
    """
    remainder = zlib.crc32(page.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return remainder.to_bytes(4, "big").translate(_REVERSED)
