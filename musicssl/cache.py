"""Derived data on disk: named after its settings, built once and written atomically.

Folders made by `build_checked` hold checksums of their files: damage is found when they are opened,
and then they are made again. Journals record which parts of a large file are already written: one
line of JSON for each part.
"""

import fcntl
import hashlib
import json
import logging
import os
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from musicssl.documents import read_json, write_json
from musicssl.errors import InputError, disk_errors
from musicssl.limits import DAMAGE

_SUMS = "checksums.json"  # in a folder of `build_checked`: size and CRC-32 of each other file
_CHUNK_BYTES = 2**22
_whole: dict[Path, list[tuple[str, int, int]]] = {}  # folders that this process has checked

_log = logging.getLogger(__name__)


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
    if not folder.is_dir():
        with _locked(folder):
            if not folder.is_dir():
                _build_whole(folder, build)
    return folder


def build_checked(folder: Path, build: Callable[[Path], None]) -> Path:
    """Let `build` fill a folder as `build_once` does, and make it again when it is damaged.

    The sizes of all files are compared with what was written each time, their content once in each
    process and whenever a size or a modification time has changed. A folder of an earlier version,
    which has no checksums, gets them if its files have the lengths that their headers state.

    Args:
        folder: The folder to create.
        build: Called with an empty folder to fill.

    Returns:
        `folder`.

    Raises:
        InputError: If the disk is full or fails, or a damaged folder cannot be removed.
    """
    with disk_errors(folder, "data.cache=FOLDER"):
        if _damage(folder) is not None:
            with _locked(folder):
                why = _damage(folder)
                if why:
                    _log.warning("%s is damaged (%s), so it is made again.", folder, why)
                    discard(folder)
                if why is not None:
                    _build_whole(folder, build, checked=True)
    return folder


def is_whole(folder: Path) -> bool:
    """Whether a folder of `build_checked` exists and its files are as they were written."""
    return _damage(folder) is None


def _build_whole(folder: Path, build: Callable[[Path], None], checked: bool = False) -> None:
    for stale in _parts(folder):
        shutil.rmtree(stale)
    part = _new_part(folder)
    try:
        build(part)
        if checked:
            _write_sums(part)
        part.rename(folder)
        if checked:
            _whole[folder] = _stamps(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def discard(folder: Path) -> None:
    """Remove derived data, whatever is at that place.

    Raises:
        InputError: If it cannot be removed.
    """
    try:
        if folder.is_dir() and not folder.is_symlink():
            shutil.rmtree(folder)
        else:
            folder.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(
            f"{folder} is damaged and cannot be removed ({error.strerror}); remove it, then it is "
            "made again."
        ) from error


def _damage(folder: Path) -> str | None:
    """Return the fault of a folder of `build_checked`: "" if it is missing, None if it has none."""
    if not os.path.lexists(folder):
        return ""
    if not folder.is_dir():
        return "it is no folder"
    if folder in _whole and _whole[folder] == _stamps(folder):
        return None
    if not (folder / _SUMS).exists():
        why = _odd_file(folder)
        if why is None:
            with suppress(OSError):  # a cache of somebody else; it is checked again the next time
                _write_sums(folder)
        return why
    try:
        written = {str(name): (size, crc32) for name, (size, crc32) in _sums(folder).items()}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return f"{_SUMS} cannot be read"
    for name, (size, crc32) in written.items():
        file = folder / name
        if not file.is_file():
            return f"{name} is missing"
        if file.stat().st_size != size:
            return f"{name} has {file.stat().st_size} bytes instead of {size}"
        if _crc32(file) != crc32:
            return f"{name} differs from what was written"
    _whole[folder] = _stamps(folder)
    return None


def _odd_file(folder: Path) -> str | None:
    """Return the fault of a folder without checksums: an array or a JSON file that is damaged."""
    files = sorted(folder.iterdir())
    if not files:
        return "it is empty"
    for file in files:
        try:
            if file.suffix == ".npy":
                np.load(file, mmap_mode="r", allow_pickle=False)
            elif file.suffix == ".json":
                json.loads(file.read_text(encoding="utf-8"))
        except DAMAGE:
            return f"{file.name} cannot be read"
    return None


def _sums(folder: Path) -> dict[str, Any]:
    sums: dict[str, Any] = read_json(folder / _SUMS)["files"]
    return sums


def _write_sums(folder: Path) -> None:
    files = sorted(file for file in folder.iterdir() if file.name != _SUMS)
    sums = {file.name: [file.stat().st_size, _crc32(file)] for file in files}
    write_json(folder / _SUMS, {"files": sums})


def _stamps(folder: Path) -> list[tuple[str, int, int]]:
    """Return name, size and modification time of each file in a folder."""
    return sorted(
        (entry.name, entry.stat().st_size, entry.stat().st_mtime_ns) for entry in os.scandir(folder)
    )


def _crc32(file: Path) -> int:
    crc32 = 0
    with file.open("rb", buffering=0) as opened:
        while data := opened.read(_CHUNK_BYTES):
            crc32 = zlib.crc32(data, crc32)
    return crc32


def new_array(path: Path, dtype: DTypeLike, shape: tuple[int, ...]) -> "np.memmap[Any, Any]":
    """Make a file for an array, and map it into memory for writing.

    The disk space is taken at once: if the disk became full while a memory map is written, the
    process would end without a message.

    Raises:
        OSError: If there is not so much room.
    """
    array = np.lib.format.open_memmap(path, "w+", np.dtype(dtype), shape)
    with path.open("r+b") as file:
        if hasattr(os, "posix_fallocate"):  # not on macOS
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return array


def build_on(folder: Path, build: Callable[[Path], None]) -> Path:
    """Let `build` fill a folder as `build_once` does, but resume a killed or failed build.

    Args:
        folder: The folder to create.
        build: Called with a folder that is empty or contains the files of an earlier call, which
            `build` has to check. Not called if `folder` exists.

    Returns:
        `folder`.

    Raises:
        InputError: If the disk is full or fails; what `build` has written stays.
    """
    if not folder.is_dir():
        with disk_errors(folder, "data.cache=FOLDER"), _locked(folder):
            if not folder.is_dir():
                part = next(iter(_parts(folder)), None) or _new_part(folder)
                build(part)
                part.rename(folder)
    return folder


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Wait until no other process builds a folder, and let none begin."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f".{folder.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _log.info("waiting for another process that is building %s", folder)
            fcntl.flock(lock, fcntl.LOCK_EX)  # released by the kernel when the process dies
        yield


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
