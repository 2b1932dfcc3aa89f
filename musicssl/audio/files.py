"""Which files of a folder are audio."""

import os
from pathlib import Path

from musicssl.audio.decode import AUDIO_SUFFIXES


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
