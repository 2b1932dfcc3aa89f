"""Opening an annotation file, and what can be wrong with one before it is parsed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from musicssl.errors import InputError

_LFS_POINTER = "version https://git-lfs"


@contextmanager
def annotation_file(path: Path, get: str) -> Iterator[TextIO]:
    """Open an annotation file: UTF-8, with or without a byte order mark, line ends as they are.

    Args:
        path: The file.
        get: How to get the corpus, a clause for the end of a message.

    Raises:
        InputError: If it is missing, unreadable, not text, or a git-LFS pointer.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            if file.read(len(_LFS_POINTER)) == _LFS_POINTER:
                raise InputError(
                    f"{path} is a git-LFS pointer, not the file itself; run `git lfs pull` where "
                    f"it comes from, or {get}."
                )
            file.seek(0)
            yield file
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing; put it there, or {get}.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error}); replace it, or {get}.") from error


def annotation_text(path: Path, get: str) -> str:
    """Read all of an annotation file.

    Raises:
        InputError: As `annotation_file` does.
    """
    with annotation_file(path, get) as file:
        return file.read()


def annotation_lines(path: Path, get: str) -> list[tuple[int, str]]:
    """Read the lines of a list without the blanks around them, and their numbers, from 1.

    Empty lines are passed over; the last line needs no line end.

    Raises:
        InputError: As `annotation_file` does, or if no line holds anything.
    """
    stripped = [line.strip() for line in annotation_text(path, get).splitlines()]
    lines = [(number, line) for number, line in enumerate(stripped, start=1) if line]
    if not lines:
        raise InputError(f"{path} is empty; replace it, or {get}.")
    return lines
