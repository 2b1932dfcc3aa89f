"""Where below the folder that a user names a corpus lies."""

from collections.abc import Sequence
from pathlib import Path

from musicssl.errors import InputError


def corpus_folder(
    root: str | Path | None, name: str, folders: Sequence[str], marks: Sequence[str], get: str
) -> Path:
    """Find the folder of a corpus.

    Args:
        root: That folder, or the one that holds it; as the user gave it.
        name: Of the corpus, for messages.
        folders: Names that it has where its authors' archive was unpacked.
        marks: Files or folders of which at least one is directly in it.
        get: How to get the corpus, a clause for the end of a message.

    Raises:
        InputError: If it is not there, or lies a level above or below.
    """
    if not root:
        raise InputError(f"{name} needs data.root=DIR, the folder that holds it; {get}.")
    folder = Path(root).expanduser().absolute()
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder; set data.root to the one of {name}, or {get}.")
    for candidate in (folder, *(folder / below for below in folders)):
        if _is_marked(candidate, marks):
            return candidate
    if _is_marked(folder.parent, marks):
        raise InputError(
            f"{folder} is one level too low: {name} lies in {folder.parent}; "
            f"set data.root={folder.parent}."
        )
    below = [path for path in sorted(folder.iterdir()) if path.is_dir() and _is_marked(path, marks)]
    if below:
        raise InputError(
            f"{folder} is one level too high: {name} lies in {below[0]}; set data.root={below[0]}."
        )
    raise InputError(
        f"{folder} does not hold {name}: it has none of {', '.join(marks)}; "
        f"set data.root to the folder that has, or {get}."
    )


def _is_marked(folder: Path, marks: Sequence[str]) -> bool:
    return any((folder / mark).exists() for mark in marks)
