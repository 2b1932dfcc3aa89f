"""Derived data on disk: named by its settings, built once, written whole or not at all.

Journals record which parts of a large file are already written: one line of JSON for each part.
"""

import fcntl
import hashlib
import json
import logging
import math
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Any

from musicssl.errors import InputError

_log = logging.getLogger(__name__)


def default_cache() -> str:
    """Name the folder of derived data where nobody chose one; conf/train.yaml does the same."""
    return os.environ.get("MUSICSSL_CACHE", "cache")


def fingerprint(settings: Mapping[str, Any]) -> str:
    """Name settings by twelve hexadecimal digits, whatever the order of their keys.

    >>> fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    True
    """
    text = json.dumps(settings, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def file_identity(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, wherever it lies and whatever it is called.

    Raises:
        InputError: If it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); check the path.") from error


def build_once(folder: Path, build: Callable[[Path], None]) -> Path:
    """Let `build` fill a folder, unless that was done before.

    `build` writes into a temporary folder beside the target, which takes its name in one step when
    all is written: a kill or a full disk leaves no half cache. Processes that want the same folder
    wait for the first and then use its work. Left-overs of killed builds are removed.

    Args:
        folder: The folder that shall exist in the end.
        build: Called with an empty folder to fill; not called if `folder` exists.

    Returns:
        `folder`.
    """
    with _turn(folder) as missing:
        if missing:
            for stale in _parts(folder):
                shutil.rmtree(stale)
            part = _new_part(folder)
            try:
                build(part)
                part.rename(folder)
            finally:
                shutil.rmtree(part, ignore_errors=True)
    return folder


def build_on(folder: Path, build: Callable[[Path], None]) -> Path:
    """Let `build` fill a folder as `build_once` does, but keep what a killed or failed build left.

    Args:
        folder: The folder that shall exist in the end.
        build: Called with a folder that is empty or holds what an earlier call wrote; how far that
            can be trusted is for `build` to find out. Not called if `folder` exists.

    Returns:
        `folder`.
    """
    with _turn(folder) as missing:
        if missing:
            part = next(iter(_parts(folder)), None) or _new_part(folder)
            build(part)
            part.rename(folder)
    return folder


@contextmanager
def _turn(folder: Path) -> Iterator[bool]:
    """Wait until no other process builds a folder; tell whether it is still missing then."""
    if folder.is_dir():
        yield False
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f".{folder.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _log.info("another process makes %s; this one waits for it.", folder)
            fcntl.flock(lock, fcntl.LOCK_EX)  # released by the kernel when the process dies
        yield not folder.is_dir()


def _parts(folder: Path) -> list[Path]:
    """Return where builds of a folder were at work; none still is for whose turn it is."""
    return sorted(folder.parent.glob(f".{folder.name}.part-*"))


def _new_part(folder: Path) -> Path:
    part = Path(tempfile.mkdtemp(prefix=f".{folder.name}.part-", dir=folder.parent))
    part.chmod(0o777 & ~_umask())  # mkdtemp lets nobody else in; a cache may be shared
    return part


def _umask() -> int:
    mask = os.umask(0)  # there is no way to read it but to set it
    os.umask(mask)
    return mask


def line(content: Sequence[object]) -> bytes:
    """Return a line of a journal, `[3, "abc"]` and its end."""
    return json.dumps(content).encode() + b"\n"


def write_all(file: FileIO, data: bytes) -> None:
    """Write all of it: without a buffer, the last of a disk's space may take a part only."""
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]


def write_atomically(path: Path, text: str) -> None:
    """Write a text file whole or not at all; of several writers at a time, one wins."""
    part = path.with_name(f".{path.name}.part-{uuid.uuid4().hex}")  # of this writer alone
    try:
        part.write_text(text)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write plain values as JSON, whole or not at all; NaN, which JSON has not, as null."""
    write_atomically(path, json.dumps(nan_to_null(document), indent=2) + "\n")


def nan_to_null(node: Any) -> Any:
    """Return plain values as JSON has them: None, its null, in place of NaN."""
    if isinstance(node, Mapping):
        return {key: nan_to_null(value) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [nan_to_null(value) for value in node]
    return None if isinstance(node, float) and math.isnan(node) else node


def null_to_nan(node: Any) -> Any:
    """Read numbers that `nan_to_null` wrote, in dictionaries and lists at any depth, as floats.

    Raises:
        TypeError or ValueError: If there is anything but numbers.
    """
    if isinstance(node, Mapping):
        return {key: null_to_nan(value) for key, value in node.items()}
    if isinstance(node, list):
        return [null_to_nan(value) for value in node]
    return math.nan if node is None else float(node)


def csv_field(value: object) -> object:
    """Return a field of a CSV file: empty in place of NaN; Python writes other floats in full."""
    return "" if isinstance(value, float) and math.isnan(value) else value


def csv_number(field: str) -> float:
    """Read a number that `csv_field` wrote.

    Raises:
        ValueError: If it is none.
    """
    return math.nan if field == "" else float(field)
