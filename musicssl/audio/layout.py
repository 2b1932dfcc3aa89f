"""Find the recordings of a corpus that users have unpacked, converted or moved themselves."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from musicssl.audio.files import exists
from musicssl.errors import InputError


def recordings_folder(
    folder: Path, given: str | Path | None, usual: Sequence[str], parts: Iterable[str]
) -> Path:
    """Find the folder of the recordings that a corpus's annotations name.

    Args:
        folder: Folder of the annotations.
        given: The user's setting, relative to `folder` or absolute; None to search the usual
            folders.
        usual: Names of the folder, in `folder` or beside it, the likeliest first; "" means `folder`
            or its parent itself. If none contains recordings, `folder` is returned.
        parts: Names of subfolders; the folder must have at least one of them.

    Raises:
        InputError: If the given folder does not exist.
    """
    if given is not None:
        audio_root = folder / Path(given).expanduser()
        if not audio_root.is_dir():
            raise InputError(
                f"{audio_root} is not a folder; set dataset.audio_root to the folder of the "
                "recordings."
            )
        return audio_root
    names = list(parts)
    for parent in (folder, folder.parent):
        for candidate in (parent / name for name in usual):
            if any((candidate / part).is_dir() for part in names):
                return candidate
    return folder


def file_ending(folder: Path, stems: Iterable[str], given: str | None, usual: Sequence[str]) -> str:
    """Find the file name extension of the recordings, which is the same for all of them.

    Args:
        folder: Folder of the recordings.
        stems: Their paths relative to `folder`, without extensions.
        given: The user's setting; None to take the extension of the first recording found.
        usual: Possible extensions, with dots; the first one is returned if no recording is found.

    Raises:
        InputError: If the given extension does not start with a dot.
    """
    if given is not None:
        if not given.startswith("."):
            raise InputError(f"dataset.ending must start with a dot, such as .wav, got {given!r}.")
        return given
    is_dir: dict[str, bool] = {}  # looked up once a folder, not once a file
    for stem in stems:
        parent = stem.rpartition("/")[0]
        if parent not in is_dir:
            is_dir[parent] = (folder / parent).is_dir()
        if is_dir[parent]:
            for ending in usual:
                if exists(folder / f"{stem}{ending}"):
                    return ending
    return usual[0]
