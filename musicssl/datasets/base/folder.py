"""Find the folder of a corpus at or below the folder that a user gives."""

from collections.abc import Sequence
from pathlib import Path

from musicssl.errors import InputError


def corpus_folder(
    root: str | Path | None, name: str, folders: Sequence[str], marks: Sequence[str], get: str
) -> Path:
    """Find the folder of a corpus.

    Args:
        root: The user's setting: that folder, or its parent folder.
        name: Name of the corpus, for messages.
        folders: Names of the folder after unpacking the authors' archive.
        marks: Names of files or subfolders; the folder must contain at least one of them.
        get: How to get the corpus, a clause for the end of a message.

    Raises:
        InputError: If the folder does not exist, or is one level higher or lower.
    """
    if not root:
        raise InputError(f"{name} needs data.root=DIR, the folder of the corpus; {get}.")
    folder = Path(root).expanduser().absolute()
    if not folder.is_dir():
        raise InputError(
            f"{folder} is not a folder; set data.root to the folder of {name}, or {get}."
        )
    for candidate in (folder, *(folder / subfolder for subfolder in folders)):
        if _is_marked(candidate, marks):
            return candidate
    if _is_marked(folder.parent, marks):
        raise InputError(
            f"{folder} is one level too low: {name} is in {folder.parent}; "
            f"set data.root={folder.parent}."
        )
    below = [path for path in sorted(folder.iterdir()) if path.is_dir() and _is_marked(path, marks)]
    if below:
        raise InputError(
            f"{folder} is one level too high: {name} is in {below[0]}; set data.root={below[0]}."
        )
    raise InputError(
        f"{folder} does not contain {name}: it has none of {', '.join(marks)}; "
        f"set data.root to a folder with one of them, or {get}."
    )


def _is_marked(folder: Path, marks: Sequence[str]) -> bool:
    return any((folder / mark).exists() for mark in marks)
