"""The audio files of a folder, and their identities, which change when a file changes."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from musicssl.audio.av_reader import AV_SUFFIXES
from musicssl.audio.inspection import readable_suffixes

Identity = list[Any]  # path, size in bytes and modification time in ns; None for a missing file


def audio_files(root: Path) -> set[str]:
    """Return the files under a folder with a suffix of audio that can be read.

    Hidden files and folders are skipped; links to folders are not followed.

    Returns:
        Paths relative to `root`, with `/`.
    """
    return _files(root, readable_suffixes())


def other_audio_files(root: Path) -> set[str]:
    """Return the files under a folder that only the package av could read; see `audio_files`."""
    return _files(root, AV_SUFFIXES - readable_suffixes())


def every_file(root: Path) -> set[str]:
    """Return all files under a folder, whatever their suffixes; see `audio_files`."""
    return _files(root, None)


def _files(root: Path, suffixes: frozenset[str] | None) -> set[str]:
    found: set[str] = set()
    for folder, subfolders, names in os.walk(root):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        found.update(
            (Path(folder) / name).relative_to(root).as_posix()
            for name in names
            if not name.startswith(".")
            and (suffixes is None or Path(name).suffix.lower() in suffixes)
        )
    return found


def exists(path: Path) -> bool:
    """Whether there is a file or folder; False also for a name that no file can have."""
    try:
        return path.exists()
    except OSError:  # it is too long
        return False


def file_identities(root: Path, clip_ids: Sequence[str]) -> list[Identity]:
    """Return path, size and modification time of files, to detect that a file has changed.

    Args:
        root: Folder of the files.
        clip_ids: Their paths relative to `root`, with `/`.
    """
    return [_identity(root, clip_id) for clip_id in clip_ids]


def _identity(root: Path, clip_id: str) -> Identity:
    try:
        stat = (root / clip_id).stat()
    except OSError:  # a broken link; reading it raises an error later
        return [clip_id, None, None]
    return [clip_id, stat.st_size, stat.st_mtime_ns]
