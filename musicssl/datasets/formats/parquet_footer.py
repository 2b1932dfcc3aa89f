"""The number of values in a Parquet file, from its footer, before any of them is decoded.

pyarrow returns this number too, but ends the whole process if the statistics next to it are
damaged. A footer is a struct of Thrift's compact protocol; see
https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md and
https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

_MAGIC = b"PAR1"
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 11, 12
_VARINTS = (4, 5, 6)  # whole numbers of 16, 32 and 64 bits
# What is looked at, by the numbers of fields: in FileMetaData the row groups, in these the columns,
# in these the metadata, in these the number of values.
_WANTED: Mapping[int, Any] = {4: {1: {3: {5: {}}}}}


def count_values(path: Path) -> int:
    """Return how many values all columns of a Parquet file say that they hold.

    Raises:
        ValueError: If the footer is damaged.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - 8))
        end = file.read(8)
        length = int.from_bytes(end[:4], "little")
        if end[4:] != _MAGIC or length > size - 8:
            raise ValueError("it has no footer")
        file.seek(size - 8 - length)
        footer = _Footer(file.read(length))
    try:
        return footer.struct(_WANTED)
    except IndexError as error:
        raise ValueError("its footer is cut short") from error


class _Footer:
    """A reader of the compact protocol that adds up the wanted numbers and skips all else."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.place = 0

    def struct(self, wanted: Mapping[int, Any]) -> int:
        """Read a struct and return the sum of the wanted numbers in it."""
        total = field = 0
        while head := self.byte():
            field = field + (head >> 4) if head >> 4 else self.number()
            kind = head & 15
            if kind not in (_TRUE, _FALSE):  # which have no bytes of their own in a struct
                total += self.value(kind, wanted.get(field))
        return total

    def value(self, kind: int, wanted: Mapping[int, Any] | None) -> int:
        """Read a value; return the sum of what is wanted in it, 0 if nothing is."""
        if kind in _VARINTS:
            number = self.number()
            return number if wanted is not None else 0
        if kind in (_TRUE, _FALSE, _BYTE):
            self.skip(1)
        elif kind == _DOUBLE:
            self.skip(8)
        elif kind == _BINARY:
            self.skip(self.varint())
        elif kind in (_LIST, _SET):
            head = self.byte()
            length = head >> 4 if head >> 4 < 15 else self.varint()
            return sum(self.value(head & 15, wanted) for _ in range(length))
        elif kind == _MAP:
            if length := self.varint():
                kinds = self.byte()
                for _ in range(length):
                    self.value(kinds >> 4, None)
                    self.value(kinds & 15, None)
        elif kind == _STRUCT:
            return self.struct(wanted or {})
        else:
            raise ValueError("its footer is damaged")
        return 0

    def byte(self) -> int:
        self.place += 1
        return self.data[self.place - 1]

    def skip(self, count: int) -> None:
        self.place += count
        if self.place > len(self.data):
            raise IndexError

    def varint(self) -> int:
        """Read seven bits of each byte, the lowest first."""
        total = shift = 0
        while True:
            byte = self.byte()
            total |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return total
            if shift > 70:
                raise ValueError("its footer is damaged")

    def number(self) -> int:
        """Read a number whose sign is its lowest bit."""
        coded = self.varint()
        return coded >> 1 ^ -(coded & 1)
