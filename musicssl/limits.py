"""What a file may ask for: the limits of all readers in one place, and the checks of arrays.

A header of some bytes can promise any amount of data, and compressed zeros take a thousandth of
their space. So readers compare what a file says with its own size before they take memory for it.
"""

import lzma
import math
import struct
import tokenize
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import IO
from zipfile import BadZipFile, ZipFile

from numpy.lib import format as npy

LARGE = 1 << 30
"""Bytes that a file may always unpack to: any machine that trains has 1 GiB."""

MOST_GROWTH = 100
"""Times its own size that a file may unpack to beyond `LARGE`. Sound and embeddings shrink to a
half, tables of text to a twentieth, targets of 0 and 1 to a fiftieth; zeros to a thousandth."""

MOST_SAMPLES = 1 << 31
"""Samples of a recording that is decoded as a whole: 8 GiB, 37 hours at 16 kHz."""

SAMPLE_RATES = (500, 1_000_000)
"""Lowest and highest sample rate of a file, in Hz. Below, a second of the file becomes so many
samples at the rate of a model that a small file fills the memory; no converter is faster."""

LARGEST_TABLE = 1 << 29
"""Bytes of a table of text: some million rows; in memory they take ten times that."""

LONGEST_ANNOTATION = 200_000.0
"""Seconds that an annotation in time may last, two days: arrays are as long as it says."""

MOST_COLUMNS = 10_000
"""Columns of a table of text; the widest of a public corpus has 519."""

DAMAGE: tuple[type[Exception], ...] = (
    *(OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, EOFError),
    *(MemoryError, RuntimeError, SyntaxError, tokenize.TokenError, struct.error),
    *(BadZipFile, zlib.error, lzma.LZMAError, SystemError),  # the last of text beyond Unicode
)
"""What Python, json, NumPy and zipfile raise for bytes that are not what they should be."""

HEADER_READERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
"""Functions that read the headers of arrays, by the version of the format."""
_MOST_COMPRESSED = 1100  # bytes that deflate can make of one


def growth_fault(unpacked: int, packed: int) -> str | None:
    """Return why data would take too much space, as the end of a sentence; None if they do not.

    Args:
        unpacked: Their size in bytes when they are unpacked.
        packed: The size in bytes of what they are unpacked from.

    >>> growth_fault(10**12, 10**9)
    'would unpack 1,000,000,000 bytes to 1,000,000,000,000, more than 100 times as many'
    >>> growth_fault(10**9, 1), growth_fault(10**12, 10**11)
    (None, None)
    """
    if unpacked <= max(LARGE, MOST_GROWTH * packed):
        return None
    return f"would unpack {packed:,} bytes to {unpacked:,}, more than {MOST_GROWTH} times as many"


def size_fault(size: int) -> str | None:
    """Return why a text table of a size in bytes is not read, as the end of a sentence, or None.

    >>> size_fault(10**10)
    'has 10,000,000,000 bytes, more than the 536,870,912 of the largest table that is read'
    """
    if size <= LARGEST_TABLE:
        return None
    return f"has {size:,} bytes, more than the {LARGEST_TABLE:,} of the largest table that is read"


def check_arrays(file: Path | IO[bytes], names: Collection[str] | None = None) -> None:
    """Refuse a .npz file whose arrays are larger than they can be, before memory is taken for them.

    Args:
        file: Path of the file, or the open file.
        names: Names of the arrays that will be read; None for all.

    Raises:
        ValueError: If a header is damaged.
        BadZipFile: If the file is no archive, a header claims more bytes than its part of the file
            has, or a part claims more than can be compressed into what there is of it, or than
            `growth_fault` allows.
    """
    with ZipFile(file) as archive:
        for part in archive.infolist():
            if names is not None and part.filename.removesuffix(".npy") not in names:
                continue
            if part.file_size > _MOST_COMPRESSED * part.compress_size:
                raise BadZipFile(f"{part.filename} is larger than it can be")
            if fault := growth_fault(part.file_size, part.compress_size):
                raise BadZipFile(f"{part.filename} {fault}")
            with archive.open(part) as opened:
                read = HEADER_READERS.get(npy.read_magic(opened))
                if read is None:
                    raise ValueError(f"{part.filename} is of an unknown version")
                shape, _, dtype = read(opened)
                if opened.tell() + math.prod(shape) * dtype.itemsize > part.file_size:
                    raise BadZipFile(f"{part.filename} is shorter than its header says")
