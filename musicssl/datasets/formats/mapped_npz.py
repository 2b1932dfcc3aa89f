"""Arrays of .npz files that are mapped instead of read, and written without being in memory.

A .npz file is a zip archive with one .npy file for each array. An array that is not compressed has
the same layout in the file as in memory, so the operating system can read only the parts that are
used. Arrays written here start at multiples of 64 bytes, as processors like it; `numpy.savez` does
not see to that, and such arrays are mapped too.
"""

import struct
import zlib
from collections.abc import Iterable
from io import BytesIO
from math import prod
from pathlib import Path
from typing import IO, Any
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

import numpy as np
from numpy.lib import format as npy
from numpy.typing import DTypeLike, NDArray

from musicssl.limits import HEADER_READERS

_ALIGNMENT = 64  # bytes
_LOCAL_HEADER = 30  # bytes before the name, of which the last four are two lengths
_ZIP64 = 20  # bytes that zipfile adds for large files
_PADDING = 0xD935  # kind of a field that only fills space, as in Android's zipalign
_BLOCK = 1 << 22  # bytes at a time
_FLOAT = np.dtype(np.float32)


def map_array(path: Path, name: str) -> NDArray[np.float32] | None:
    """Map an array of a .npz file, so that only those parts of it are read that are used.

    All of it is read once, a block at a time, and compared with its checksum.

    Args:
        path: Path of the file.
        name: Name of the array.

    Returns:
        A memory map, writable without an effect on the file (copy on write); None if there is no
        such array, or it is compressed, empty, in Fortran's order, or not float32.

    Raises:
        BadZipFile: If the array is not what was written.
        ValueError: If its header is damaged.
    """
    with ZipFile(path) as archive, path.open("rb") as file:
        if f"{name}.npy" not in archive.namelist():
            return None
        part = archive.getinfo(f"{name}.npy")
        if part.compress_type != ZIP_STORED or part.flag_bits & 1:
            return None
        file.seek(part.header_offset + _LOCAL_HEADER - 4)
        begin = part.header_offset + _LOCAL_HEADER + sum(struct.unpack("<HH", file.read(4)))
        file.seek(begin)
        shape, fortran_order, dtype = HEADER_READERS[npy.read_magic(file)](file)
        offset = file.tell()
        if dtype != _FLOAT or fortran_order or not prod(shape):
            return None
        _check_sum(file, begin, part)
    return np.memmap(path, _FLOAT, "c", offset, shape)


def write_array(
    archive: ZipFile,
    name: str,
    shape: tuple[int, ...],
    blocks: Iterable[NDArray[Any]],
    dtype: DTypeLike = np.float32,
) -> None:
    """Add an array to a .npz file, uncompressed and aligned.

    Args:
        archive: The file, open for writing.
        name: Name of the array.
        shape: Shape of the array.
        blocks: Its values in order, in any pieces.
        dtype: Type of the array and of the pieces.
    """
    header = BytesIO()
    kind = np.dtype(dtype)
    fields = {"descr": npy.dtype_to_descr(kind), "fortran_order": False, "shape": shape}
    npy.write_array_header_1_0(header, fields)
    part = ZipInfo(f"{name}.npy")
    assert archive.fp is not None
    begin = archive.fp.tell() + _LOCAL_HEADER + len(part.filename) + _ZIP64
    filling = bytes(-(begin + 4) % _ALIGNMENT)
    part.extra = struct.pack("<HH", _PADDING, len(filling)) + filling
    with archive.open(part, "w", force_zip64=True) as file:
        file.write(header.getvalue())
        for block in blocks:
            file.write(np.ascontiguousarray(block, kind).tobytes())


def _check_sum(file: IO[bytes], begin: int, part: ZipInfo) -> None:
    """Compare an array with its checksum; it starts at byte `begin` of the file."""
    file.seek(begin)
    left, found = part.file_size, 0
    while left:
        block = file.read(min(left, _BLOCK))
        if not block:
            raise BadZipFile(f"{part.filename} is cut off")
        found, left = zlib.crc32(block, found), left - len(block)
    if found != part.CRC:
        raise BadZipFile(f"{part.filename} is not what was written")
