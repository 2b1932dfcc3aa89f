"""Journals: what was written to a file beside them, a line of JSON for each part."""

import json
from collections.abc import Sequence
from io import FileIO


def line(content: Sequence[object]) -> bytes:
    """Return a line of a journal, `[3, "abc"]` and its end."""
    return json.dumps(content).encode() + b"\n"


def write_all(file: FileIO, data: bytes) -> None:
    """Write all of it: without a buffer, the last of a disk's space may take a part only."""
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]
