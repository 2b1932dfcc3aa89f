"""Which files of a folder are audio, and whether they are still the same."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from musicssl.audio.decode import AUDIO_SUFFIXES

Identity = list[Any]  # path, bytes and time of change in ns, None where there is no file


def audio_files(root: Path) -> set[str]:
    """Find the files under a folder that end like audio, relative to it, with `/`.

    Hidden files and folders are passed over; links to folders are not followed.
    """
    found: set[str] = set()
    for folder, subfolders, names in os.walk(root):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        found.update(
            (Path(folder) / name).relative_to(root).as_posix()
            for name in names
            if not name.startswith(".") and Path(name).suffix.lower() in AUDIO_SUFFIXES
        )
    return found


def file_identities(root: Path, clip_ids: Sequence[str]) -> list[Identity]:
    """Name, size and modification time of files: what tells derived data that they have changed.

    Args:
        root: Folder that the files lie in.
        clip_ids: Their paths relative to `root`, with `/`.
    """
    return [_identity(root, clip_id) for clip_id in clip_ids]


def _identity(root: Path, clip_id: str) -> Identity:
    try:
        stat = (root / clip_id).stat()
    except OSError:  # a link to nowhere; reading it will say so
        return [clip_id, None, None]
    return [clip_id, stat.st_size, stat.st_mtime_ns]
