"""TensorFlow checkpoints as tests write them, straight from the description of the format."""

import struct

import numpy as np


def varint(value):
    out = b""
    while value >= 0x80:
        out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
    return out + bytes([value])


def field(number, value):
    if isinstance(value, bytes):
        return varint(number * 8 + 2) + varint(len(value)) + value
    return varint(number * 8) + varint(value)


def block(pairs):
    """A block that shares the beginnings of its keys, with one restart, and its trailer."""
    body, before = b"", b""
    for key, value in pairs:
        shared = 0
        while shared < min(len(key), len(before)) and key[shared] == before[shared]:
            shared += 1
        rest = key[shared:]
        body += varint(shared) + varint(len(rest)) + varint(len(value)) + rest + value
        before = key
    return body + struct.pack("<II", 0, 1)


def bundle(tensors, header=None, dtype=1, compression=0):
    """Return `.index` and `.data` of tensors by name, in two blocks."""
    data, pairs = b"", [(b"", header or field(1, 1))]
    for name in sorted(tensors):
        values = np.asarray(tensors[name], "<f4")
        shape = b"".join(field(2, field(1, size)) for size in values.shape)
        raw = values.tobytes()
        entry = field(1, dtype) + field(2, shape) + field(4, len(data)) + field(5, len(raw))
        pairs.append((name.encode(), entry + varint(6 * 8 + 5) + bytes(4)))
        data += raw
    table, places = b"", []
    half = len(pairs) // 2
    for part in (pairs[:half], pairs[half:]):
        content = block(part)
        places.append((part[-1][0], varint(len(table)) + varint(len(content))))
        table += content + bytes([compression]) + bytes(4)
    handles = []
    for part in ([], places):
        content = block(part)
        handles.append(varint(len(table)) + varint(len(content)))
        table += content + bytes(5)
    return table + b"".join(handles).ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57), data
