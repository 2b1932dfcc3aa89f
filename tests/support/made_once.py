"""Folders of files that many tests begin with: made once in a process, then copied."""

import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path


def made_once(make: Callable[[Path], object], folder: Path) -> Path:
    """Make a folder, which the test may change.

    Args:
        make: Writes the same files into the folder that it is given, which is there, each time.
        folder: Where they shall be.
    """
    return Path(shutil.copytree(_first(make), folder, symlinks=True, dirs_exist_ok=True))


@cache
def _first(make: Callable[[Path], object]) -> Path:
    folder = Path(tempfile.mkdtemp(dir=_kept().name))
    make(folder)
    return folder


@cache
def _kept() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory()  # removed when the process ends
