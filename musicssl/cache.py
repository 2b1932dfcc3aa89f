"""Derived data on disk: named after its settings, built once and written atomically.

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

from musicssl.errors import InputError, printable

_log = logging.getLogger(__name__)

_FORMULA = ("=", "+", "-", "@")  # the first sign of a formula in a spreadsheet


def default_cache() -> str:
    """Return the default folder of derived data, the same one as in conf/train.yaml."""
    return os.environ.get("MUSICSSL_CACHE", "cache")


def fingerprint(settings: Mapping[str, Any]) -> str:
    """Return a name for settings, twelve hexadecimal digits that ignore the order of the keys.

    >>> fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    True
    """
    text = json.dumps(settings, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def file_identity(path: Path) -> str:
    """Return the SHA-256 of a file's content; its path has no effect.

    Raises:
        InputError: If the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); check the path.") from error


def build_once(folder: Path, build: Callable[[Path], None]) -> Path:
    """Let `build` fill a folder, unless the folder exists.

    `build` writes into a temporary folder beside the target, which is renamed when everything is
    written: a kill or a full disk leaves no incomplete cache. Processes that need the same folder
    wait for the first one and then use its result. Remains of killed builds are removed.

    Args:
        folder: The folder to create.
        build: Called with an empty folder to fill; not called if `folder` exists.

    Returns:
        `folder`.
    """
    with _locked(folder) as missing:
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
    """Let `build` fill a folder as `build_once` does, but resume a killed or failed build.

    Args:
        folder: The folder to create.
        build: Called with a folder that is empty or contains the files of an earlier call, which
            `build` has to check. Not called if `folder` exists.

    Returns:
        `folder`.
    """
    with _locked(folder) as missing:
        if missing:
            part = next(iter(_parts(folder)), None) or _new_part(folder)
            build(part)
            part.rename(folder)
    return folder


@contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Wait until no other process builds a folder; yield whether it is still missing then."""
    if folder.is_dir():
        yield False
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f".{folder.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _log.info("waiting for another process that is building %s", folder)
            fcntl.flock(lock, fcntl.LOCK_EX)  # released by the kernel when the process dies
        yield not folder.is_dir()


def _parts(folder: Path) -> list[Path]:
    """Return the temporary folders of earlier builds; call it only while holding the lock."""
    return sorted(folder.parent.glob(f".{folder.name}.part-*"))


def _new_part(folder: Path) -> Path:
    part = Path(tempfile.mkdtemp(prefix=f".{folder.name}.part-", dir=folder.parent))
    part.chmod(0o777 & ~_umask())  # mkdtemp denies other users access, but a cache may be shared
    return part


def _umask() -> int:
    mask = os.umask(0)  # the only way to read the mask is to set it
    os.umask(mask)
    return mask


def line(content: Sequence[object]) -> bytes:
    """Return a line of a journal, for example `[3, "abc"]` and a line feed."""
    return json.dumps(content).encode() + b"\n"


def write_all(file: FileIO, data: bytes) -> None:
    """Write all data to an unbuffered file, whose `write` may write only a part of it."""
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]


def write_atomically(path: Path, text: str) -> None:
    """Write a text file atomically; of several writers at the same time, one wins."""
    part = path.with_name(f".{path.name}.part-{uuid.uuid4().hex}")  # different for each writer
    try:
        part.write_text(text)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write plain values atomically as JSON; NaN, which JSON lacks, becomes null."""
    write_atomically(path, json.dumps(nan_to_null(document), indent=2) + "\n")


def nan_to_null(node: Any) -> Any:
    """Return plain values with None, which becomes null in JSON, in place of NaN."""
    if isinstance(node, Mapping):
        return {key: nan_to_null(value) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [nan_to_null(value) for value in node]
    return None if isinstance(node, float) and math.isnan(node) else node


def null_to_nan(node: Any) -> Any:
    """Return numbers written by `nan_to_null` as floats, in dictionaries and lists of any depth.

    Raises:
        TypeError or ValueError: If a value is not a number.
    """
    if isinstance(node, Mapping):
        return {key: null_to_nan(value) for key, value in node.items()}
    if isinstance(node, list):
        return [null_to_nan(value) for value in node]
    return math.nan if node is None else float(node)


def csv_field(value: object) -> object:
    """Return a field of a CSV file: empty for NaN; Python writes other floats in full precision.

    Text is without characters that control a terminal. An apostrophe comes before text that a
    spreadsheet would take for a formula, because formulas of other people can run commands.

    >>> csv_field("=HYPERLINK(1)"), csv_field("drums"), csv_field(-0.5)
    ("'=HYPERLINK(1)", 'drums', -0.5)
    """
    if isinstance(value, str):
        return f"'{printable(value)}" if value.startswith(_FORMULA) else printable(value)
    return "" if isinstance(value, float) and math.isnan(value) else value


def csv_number(field: str) -> float:
    """Read a number that `csv_field` wrote.

    Raises:
        ValueError: If the field is not a number.
    """
    return math.nan if field == "" else float(field)
