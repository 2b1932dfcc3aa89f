"""Where the recordings of a corpus lie, for corpora that users unpack, convert and move."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from musicssl.errors import InputError


def recordings_folder(
    folder: Path, given: str | Path | None, usual: Sequence[str], parts: Iterable[str]
) -> Path:
    """Find the folder of the recordings that a corpus's annotations name.

    Args:
        folder: Of the annotations.
        given: What the user says: relative to `folder`, or absolute; None to look at the usual
            places.
        usual: Names that it may have in `folder` or beside it, the likeliest first; "" is the
            place itself. Where none of them holds recordings, it is taken to be `folder`.
        parts: Folders of which at least one is directly in it.

    Raises:
        InputError: If the given folder is not there.
    """
    if given is not None:
        said = folder / Path(given).expanduser()
        if not said.is_dir():
            raise InputError(
                f"{said} is not a folder; set dataset.audio_root to the one of the recordings."
            )
        return said
    names = list(parts)
    for place in (folder, folder.parent):
        for candidate in (place / name for name in usual):
            if any((candidate / part).is_dir() for part in names):
                return candidate
    return folder


def file_ending(folder: Path, stems: Iterable[str], given: str | None, usual: Sequence[str]) -> str:
    """Find what the files of recordings end in, which is the same for all of them.

    Args:
        folder: That they lie in.
        stems: Their paths in it, without endings.
        given: What the user says; None to take that of the first recording that is there.
        usual: Endings that they may have, with dots; the first one counts where none is there.

    Raises:
        InputError: If the given ending does not start with a dot.
    """
    if given is not None:
        if not given.startswith("."):
            raise InputError(f"dataset.ending must start with a dot, such as .wav, got {given!r}.")
        return given
    there: dict[str, bool] = {}  # spares a look for each of many files in a folder that is absent
    for stem in stems:
        parent = stem.rpartition("/")[0]
        if parent not in there:
            there[parent] = (folder / parent).is_dir()
        if there[parent]:
            for ending in usual:
                if (folder / f"{stem}{ending}").exists():
                    return ending
    return usual[0]
