"""An array on disk that is written row by row and can be resumed after an interruption.

`h.npy` contains the rows. The first line of `journal.jsonl` names the task, and each other line the
number of rows that were appended and their CRC-32. A line is written after the rows that it
describes, and is used later only if their checksum matches, so a kill, a power cut or a full disk
cannot leave a wrong row. Rows are appended and not written through a memory map, with which a full
disk would end the process instead of raising an error.
"""

import json
import os
import zlib
from collections.abc import Iterator
from functools import partial
from io import FileIO
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from musicssl.cache import line, write_all
from musicssl.errors import InputError, write_errors
from musicssl.limits import DAMAGE

ROWS, JOURNAL = "h.npy", "journal.jsonl"
_write_errors = partial(write_errors, what="the embeddings", kept="rows")
_TYPE = np.dtype("<f4")
_Header = tuple[int, int, int]  # stated rows and columns, and number of bytes before the first row


class ArrayFile:
    """An array (N, D) float32 that is being written; the first rows determine D.

    Attributes:
        done: Number of rows written so far.

    Args:
        folder: An empty folder, or one with the files of an interrupted call.
        num_rows: Number of rows, N.
        task: A name for everything that the rows depend on; rows of another task are discarded.

    Raises:
        InputError: If the disk is full or fails.
    """

    def __init__(self, folder: Path, num_rows: int, task: str) -> None:
        self._folder = folder
        self._num_rows = num_rows
        self._header: _Header | None = None
        self.done = 0
        with _write_errors(folder):
            self._rows = (folder / ROWS).open("a+b", buffering=0)
            self._journal = (folder / JOURNAL).open("a+b", buffering=0)
            self._resume(line([task]))

    def __enter__(self) -> "ArrayFile":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._rows.close()
        self._journal.close()

    def append(self, rows: NDArray[np.float32]) -> None:
        """Add rows, (n, D).

        Raises:
            InputError: If the disk is full or fails.
        """
        with _write_errors(self._folder):
            if self._header is None:
                self._header = _write_header(self._rows, (self._num_rows, rows.shape[1]))
            data = np.ascontiguousarray(rows, _TYPE).tobytes()
            write_all(self._rows, data)
            write_all(self._journal, line([len(rows), zlib.crc32(data)]))
            self.done += len(rows)

    def flush(self) -> None:
        """Wait until all rows are on the disk.

        Raises:
            InputError: If the disk is full or fails.
        """
        with _write_errors(self._folder):
            os.fsync(self._rows.fileno())
            os.fsync(self._journal.fileno())

    def _resume(self, head: bytes) -> None:
        """Truncate rows and journal after the last valid entry."""
        header = _read_header(self._folder / ROWS)
        lines = (self._folder / JOURNAL).read_bytes().splitlines(keepends=True)
        fits = lines[:1] == [head] and header is not None and header[0] == self._num_rows
        counts = list(_trusted(self._folder / ROWS, header, lines[1:])) if header and fits else []
        self.done = sum(counts)
        if not self.done or header is None:
            self._rows.truncate(0)
            self._journal.truncate(0)
            write_all(self._journal, head)
            return
        self._header = header
        self._rows.truncate(header[2] + self.done * header[1] * _TYPE.itemsize)
        self._journal.truncate(sum(map(len, lines[: 1 + len(counts)])))


def open_array(folder: Path) -> NDArray[np.float32]:
    """Open a complete array, (N, D), as a read-only memory map, after checking all of it.

    Raises:
        InputError: If the array is incomplete or differs from what was written.
    """
    path, journal = folder / ROWS, folder / JOURNAL
    header = _read_header(path)
    lines = journal.read_bytes().splitlines(keepends=True)[1:] if journal.is_file() else []
    if header is None or sum(_trusted(path, header, lines)) != header[0]:
        raise InputError(
            f"the embeddings in {folder} are damaged; remove that folder, then they are computed "
            "again."
        )
    array: NDArray[np.float32] = np.load(path, mmap_mode="r", allow_pickle=False)
    return array


def _trusted(path: Path, header: _Header, lines: list[bytes]) -> Iterator[int]:
    """Yield the number of rows of each entry until one does not match its checksum."""
    _, columns, offset = header
    with path.open("rb") as file:
        file.seek(offset)
        for line in lines:
            entry = _parsed(line)
            if entry is None:
                return
            size = entry[0] * columns * _TYPE.itemsize
            if size > path.stat().st_size:
                return
            data = file.read(size)
            if len(data) < size or zlib.crc32(data) != entry[1]:
                return
            yield entry[0]


def _parsed(line: bytes) -> tuple[int, int] | None:
    """Return rows and checksum, or None for a line damaged by a kill or a power cut."""
    try:
        count, crc32 = json.loads(line)
    except (ValueError, TypeError):
        return None
    whole = line.endswith(b"\n") and type(count) is int and count > 0
    return (count, crc32) if whole else None


def _write_header(file: FileIO, shape: tuple[int, int]) -> _Header:
    fields = {"descr": _TYPE.str, "fortran_order": False, "shape": shape}
    npy.write_array_header_1_0(file, fields)
    return (*shape, file.tell())


def _read_header(path: Path) -> _Header | None:
    """Return the header of the file; None if it is not the header of such an array."""
    try:
        with path.open("rb") as file:
            npy.read_magic(file)
            shape, _, dtype = npy.read_array_header_1_0(file)
            offset = file.tell()
    except DAMAGE:
        return None
    return (*shape, offset) if len(shape) == 2 and dtype == _TYPE else None
