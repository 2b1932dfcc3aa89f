"""Read the float tensors of a TensorFlow checkpoint, without TensorFlow.

A checkpoint is a *tensor bundle*: a file `.index`, a sorted table that maps the name of each tensor
to its position, and a file `.data-00000-of-00001` with the numbers. The table is in the format of
LevelDB, the values are the protocol buffers of tensorflow/core/protobuf/tensor_bundle.proto. Only
what TensorFlow writes by default is read: one data file, little-endian, blocks without compression,
float32. Checksums of blocks are not compared; callers know the whole file's.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musicssl.errors import InputError

_MAGIC = 0xDB4775248B80FB57  # the last 8 bytes of a table
_FOOTER = 48  # bytes: places of the two indices, padding, magic
_BLOCK_TRAILER = 5  # bytes after a block: kind of compression, checksum
_LONGEST_VARINT = 10  # bytes
_MOST_DIMENSIONS = 8
_FLOAT = 1  # DT_FLOAT of tensorflow/core/framework/types.proto
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types of protocol buffers


@dataclass(frozen=True)
class Entry:
    """The position of a tensor in the data file.

    Attributes:
        dtype: Number of its type; 1 is float32.
        shape: Shape of the tensor.
        offset: Offset of its first byte in the data file.
        size: Size of the tensor, in bytes.
    """

    dtype: int
    shape: tuple[int, ...]
    offset: int
    size: int


def read_index(index: bytes) -> dict[str, Entry]:
    """Read where each tensor of a checkpoint lies.

    Args:
        index: Content of the file `.index`.

    Raises:
        InputError: If it is damaged or of a kind that is not read here.
    """
    pairs = dict(_pairs(index))
    _check_header(pairs.pop(b"", b""))
    try:
        return {key.decode(): _entry(value) for key, value in pairs.items()}
    except UnicodeDecodeError as error:
        raise _damaged("a name is no text") from error


def read_tensor(entry: Entry, data: bytes) -> NDArray[np.float32]:
    """Return a tensor of a checkpoint.

    Args:
        entry: Where it lies.
        data: Content of the file `.data-00000-of-00001`.

    Raises:
        InputError: If it is not of float32, or does not lie within the data.
    """
    if entry.dtype != _FLOAT:
        raise _damaged(f"a tensor has the type {entry.dtype}, not float32")
    if entry.size != 4 * math.prod(entry.shape) or entry.offset + entry.size > len(data):
        raise _damaged("a tensor does not lie within the data")
    count = entry.size // 4
    values = np.frombuffer(data, dtype="<f4", count=count, offset=entry.offset)
    return values.reshape(entry.shape).astype(np.float32)


def _pairs(table: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield keys and values of a sorted string table."""
    if len(table) < _FOOTER or int.from_bytes(table[-8:], "little") != _MAGIC:
        raise _damaged("it is no table of tensors")
    footer = _Reader(table[-_FOOTER:-8])
    footer.varint(), footer.varint()  # place of the index of filters, which has no entries
    for _, place in _block(table, footer.varint(), footer.varint()):
        handle = _Reader(place)
        yield from _block(table, handle.varint(), handle.varint())


def _block(table: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield keys and values of one block; a key repeats the beginning of the one before it."""
    if size < 4 or offset + size + _BLOCK_TRAILER > len(table):
        raise _damaged("a block does not lie within the file")
    if table[offset + size] != 0:
        raise _damaged("a block is compressed")
    block = table[offset : offset + size]
    entries = size - 4 - 4 * int.from_bytes(block[-4:], "little")  # "restarts" come last
    if entries < 0:
        raise _damaged("a block is shorter than its list of restarts")
    reader, key = _Reader(block[:entries]), b""
    while reader.left:
        shared, new, length = reader.varint(), reader.varint(), reader.varint()
        if shared > len(key):
            raise _damaged("a name repeats more than there is of the name before it")
        key = key[:shared] + reader.take(new)
        yield key, reader.take(length)


def _check_header(message: bytes) -> None:
    """Refuse several data files and big-endian numbers."""
    fields = dict(_fields(message))
    if fields.get(1) != 1:  # num_shards
        raise _damaged("its tensors do not lie in one file")
    if fields.get(2, 0) != 0:  # endianness
        raise _damaged("its numbers are big-endian")


def _entry(message: bytes) -> Entry:
    """Read a BundleEntryProto."""
    fields = dict(_fields(message))
    if fields.get(3, 0) != 0 or 7 in fields:  # shard_id, slices
        raise _damaged("a tensor lies in parts")
    dtype, offset, size = (_number(fields.get(number, 0)) for number in (1, 4, 5))
    return Entry(dtype, _shape(fields.get(2, b"")), offset, size)


def _shape(message: int | bytes) -> tuple[int, ...]:
    """Read a TensorShapeProto."""
    if isinstance(message, int):
        raise _damaged("a shape is a number")
    sizes = [
        _number(dict(_fields(value)).get(1, 0))
        for number, value in _fields(message)
        if number == 2 and isinstance(value, bytes)
    ]
    if len(sizes) > _MOST_DIMENSIONS:
        raise _damaged("a tensor has too many dimensions")
    return tuple(sizes)


def _number(value: int | bytes) -> int:
    if isinstance(value, bytes):
        raise _damaged("text stands where a number should")
    return value


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield number and value of each field of a protocol buffer."""
    reader = _Reader(message)
    while reader.left:
        number, wire = divmod(reader.varint(), 8)
        if wire == _VARINT:
            yield number, reader.varint()
        elif wire == _BYTES:
            yield number, reader.take(reader.varint())
        elif wire in (_FIXED32, _FIXED64):
            yield number, reader.take(4 if wire == _FIXED32 else 8)
        else:
            raise _damaged(f"a field has the unknown kind {wire}")


class _Reader:
    """Reads bytes from front to back, and none beyond the end."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    @property
    def left(self) -> int:
        """Number of bytes that have not been read."""
        return len(self._content) - self._at

    def take(self, count: int) -> bytes:
        """Return the next bytes."""
        if count > self.left:
            raise _damaged("it ends too early")
        self._at += count
        return self._content[self._at - count : self._at]

    def varint(self) -> int:
        """Return the next number, of 7 bits a byte, the lowest first."""
        value = 0
        for place in range(_LONGEST_VARINT):
            [byte] = self.take(1)
            value |= (byte & 0x7F) << (7 * place)
            if byte < 0x80:
                return value
        raise _damaged("a number has too many bytes")


def _damaged(why: str) -> InputError:
    return InputError(
        f"the TensorFlow checkpoint is damaged or of an unknown kind: {why}; install it again."
    )
