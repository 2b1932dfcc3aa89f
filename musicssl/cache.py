"""Derived data on disk: built once, whole or not at all, under a name that is their settings."""

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def fingerprint(settings: Mapping[str, Any]) -> str:
    """Name settings by twelve hexadecimal digits, whatever the order of their keys.

    >>> fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    True
    """
    text = json.dumps(settings, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


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
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(folder.with_name(f".{folder.name}.lock")):
        if folder.is_dir():
            return folder
        prefix = f".{folder.name}.part-"
        for stale in folder.parent.glob(f"{prefix}*"):
            shutil.rmtree(stale)
        part = Path(tempfile.mkdtemp(prefix=prefix, dir=folder.parent))
        try:
            build(part)
            part.chmod(0o777 & ~_umask())  # mkdtemp lets nobody else in; a cache may be shared
            part.rename(folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return folder


def _umask() -> int:
    mask = os.umask(0)  # there is no way to read it but to set it
    os.umask(mask)
    return mask


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # released by the kernel when the process dies
        yield
