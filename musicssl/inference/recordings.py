"""The recordings that a command names: files, and folders of files."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from musicssl.audio.files import audio_files
from musicssl.audio.unreadable import printable_path
from musicssl.errors import InputError, printable


class Recording(NamedTuple):
    """A file to predict.

    Attributes:
        path: As it was named.
        target: Its path in the folder of labels and pictures, without their endings.
        inside: Its path in the folder that was named, as `dataset=audio_folder` calls it; its name,
            if it was named itself.
    """

    path: Path
    target: Path
    inside: Path

    @property
    def name(self) -> str:
        """What results call it."""
        return str(self.path)

    @property
    def shown(self) -> str:
        """Its name, for a terminal."""
        return printable(printable_path(self.name))


def find_recordings(named: Sequence[Path]) -> list[Recording]:
    """Return the recordings among files and folders, each once.

    Raises:
        InputError: If something is not there, or a folder holds no recordings.
    """
    found: dict[Path, Recording] = {}
    for place in named:
        if place.is_dir():
            names = sorted(audio_files(place))
            if not names:
                raise InputError(f"{place} holds no audio files; name a folder of recordings.")
            inside = Path(place.resolve().name)
            recordings = [Recording(place / name, inside / name, Path(name)) for name in names]
        elif place.is_file():
            recordings = [Recording(place, Path(place.name), Path(place.name))]
        else:
            raise InputError(f"there is no file or folder {place}; correct its name.")
        for recording in recordings:
            found.setdefault(recording.path, recording)
    targets = [recording.target for recording in found.values()]
    if len(set(targets)) < len(targets):  # files of the same name in several folders
        return [one._replace(target=_inside(one.path)) for one in found.values()]
    return list(found.values())


def clip_ids(recordings: Sequence[Recording]) -> list[str]:
    """Return what files of embeddings call recordings: their paths inside the folders named.

    If two of them have the same, all have the names of the folders in front.
    """
    counts = Counter(recording.inside for recording in recordings)
    twice = max(counts.values()) > 1
    paths = [recording.target if twice else recording.inside for recording in recordings]
    return [printable_path(path.as_posix()) for path in paths]


def _inside(path: Path) -> Path:
    """Return the whole path of a recording, to be used inside of another folder."""
    absolute = path.resolve()
    return absolute.relative_to(absolute.anchor)
