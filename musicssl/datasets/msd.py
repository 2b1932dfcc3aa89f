"""The Million Song Dataset: fifty tags of songs from users of Last.fm.

Bertin-Mahieux, Ellis, Whitman and Lamere, ISMIR 2011; split and tags of Choi, Fazekas and Sandler,
ISMIR 2016, https://github.com/keunwoochoi/MSD_split_for_tagging (no licence). 201,680 clips for
training, 12,634 for validation and 28,540 for testing; each has at least one of the 50 tags, and a
tag with a weight of 50 of 100 or less, or not given at all, counts as absent. The artists are not
listed, so there are no groups, and artists are in several splits.

The audio, 30 s previews of 7digital, is no longer distributed and must not be passed on; set
`audio_root` to your copy. The file of a clip has its 7digital number as its name, in folders named
after the first two digits of that number. The audio may be in the folder of the split, beside it,
or anywhere:

    MSD_split_for_tagging/train_x_7d_id.txt    a number per line, no header; also valid_ and test_
    MSD_split_for_tagging/train_y.npy          the tags, (N, 50) bool
    audio/6/0/6010476.clip.mp3                 or another suffix, if converted

If the list train_x_7d_invalid_audio_id.txt of the repository exists, its clips are left out. The
clips of train_x_7d_bad_duration_id.txt are only shorter or longer and are used.
"""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musicssl.audio.layout import file_ending, recordings_folder
from musicssl.datasets.base.annotations import Annotations
from musicssl.datasets.base.command import corpus_command
from musicssl.datasets.base.recordings import Recordings
from musicssl.datasets.formats.tables import annotation_lines
from musicssl.errors import InputError
from musicssl.limits import DAMAGE

# In the order of the columns of Choi's arrays and of tags.py.
# fmt: off
CLASSES = (
    "rock", "pop", "alternative", "indie", "electronic", "female vocalists", "dance", "00s",
    "alternative rock", "jazz", "beautiful", "metal", "chillout", "male vocalists", "classic rock",
    "soul", "indie rock", "Mellow", "electronica", "80s", "folk", "90s", "chill", "instrumental",
    "punk", "oldies", "blues", "hard rock", "ambient", "acoustic", "experimental",
    "female vocalist", "guitar", "Hip-Hop", "70s", "party", "country", "easy listening", "sexy",
    "catchy", "funk", "electro", "heavy metal", "Progressive rock", "60s", "rnb", "indie pop",
    "sad", "House", "happy",
)
# fmt: on

PARTS = {"train": "train", "val": "valid", "test": "test"}

_AUDIO = ("audio", "clips", "")
_ENDINGS = (".clip.mp3", ".mp3", ".wav", ".flac", ".ogg")
_ID = re.compile(r"\d{2,}")
_CURE = "get it again from https://github.com/keunwoochoi/MSD_split_for_tagging"


@dataclass(frozen=True)
class MSD(Recordings):
    """Choi's split of the Million Song Dataset, and the user's audio.

    Attributes:
        audio_root: The folder with the subfolders 0 to 9, relative to the folder of the split or
            absolute; None for the first of audio, clips and the folder itself, in the folder of the
            split or beside it, that has them.
        ending: Suffix of the recordings, such as ".wav"; None to take that of the first recording
            found.
    """

    name = "msd"
    folders = ("MSD_split_for_tagging",)
    marks = tuple(f"{part}_x_7d_id.txt" for part in PARTS.values())
    get = (
        "clone https://github.com/keunwoochoi/MSD_split_for_tagging and set dataset.audio_root to "
        "your folder of 7digital previews, which cannot be downloaded"
    )

    audio_root: str | Path | None = None
    ending: str | None = None

    @property
    def folder(self) -> Path:
        """The folder with the subfolders 0 to 9.

        Raises:
            InputError: If there is no split, or `audio_root` is not a folder.
        """
        return recordings_folder(self._split, self.audio_root, _AUDIO, "0123456789")

    @property
    def _split(self) -> Path:
        return super().folder

    def annotations(self) -> Annotations:
        """Read the numbers and tags of the clips.

        Raises:
            InputError: If a file is missing or malformed, or a list and an array differ in length.
        """
        ids: list[str] = []
        split: list[str] = []
        tags: list[NDArray[np.float32]] = []
        invalid: dict[str, str] = {}
        for name, part in PARTS.items():
            ids += _read_ids(self._split / f"{part}_x_7d_id.txt")
            split += [name] * (len(ids) - len(split))
            tags.append(_read_tags(self._split / f"{part}_y.npy", split.count(name)))
            invalid |= _read_invalid(self._split / f"{part}_x_7d_invalid_audio_id.txt")
        _check_distinct(ids, split)
        ending = file_ending(self.folder, map(_stem, ids), self.ending, _ENDINGS)
        y = np.concatenate(tags)
        annotations = Annotations(
            classes=CLASSES,
            paths=tuple(f"{_stem(clip)}{ending}" for clip in ids),
            y=y,
            mask=np.ones(y.shape, np.bool_),
            split=np.array(split),
            left_out={f"{_stem(clip)}{ending}": invalid[clip] for clip in ids if clip in invalid},
        )
        return annotations.select(np.flatnonzero([clip not in invalid for clip in ids]))


def _stem(clip: str) -> str:
    """Return the path of a clip without its suffix, given its 7digital number.

    >>> _stem("6010476")
    '6/0/6010476'
    """
    return f"{clip[0]}/{clip[1]}/{clip}"


def _read_ids(path: Path) -> list[str]:
    ids = []
    for number, clip in annotation_lines(path, _CURE):
        if not _ID.fullmatch(clip):
            raise InputError(
                f"line {number} of {path} is {clip!r}, not a 7digital number like 6010476; {_CURE}."
            )
        ids.append(clip)
    return ids


def _read_invalid(path: Path) -> dict[str, str]:
    """Read the clips without valid audio and the fault; there are none if the list is missing."""
    if not path.exists():
        return {}
    return dict.fromkeys(_read_ids(path), f"is listed in {path.name}")


def _read_tags(path: Path, count: int) -> NDArray[np.float32]:
    """Read the targets of a part of the split, (count, 50)."""
    try:
        # mapped, so that a header that claims too much takes no memory
        tags = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing; {_CURE}.") from error
    except DAMAGE as error:
        if path.read_bytes().startswith(b"version https://git-lfs"):
            raise InputError(f"{path} is a git-LFS pointer, not the array; {_CURE}.") from error
        raise InputError(f"{path} is damaged ({error}); {_CURE}.") from error
    if tags.shape != (count, len(CLASSES)) or not np.isin(tags, (0, 1)).all():
        raise InputError(
            f"{path} has {tags.dtype} of shape {tags.shape}, but the list beside it needs {count} "
            f"rows of {len(CLASSES)} tags, each 0 or 1; {_CURE}."
        )
    return np.asarray(tags, np.float32)


def _check_distinct(ids: Sequence[str], split: Sequence[str]) -> None:
    first: dict[str, str] = {}
    for clip, name in zip(ids, split, strict=True):
        if clip in first:
            raise InputError(
                f"clip {clip} of msd is listed twice, for {first[clip]} and for {name}; remove one "
                f"of its lines and the row of {PARTS[name]}_y.npy with it, or {_CURE}."
            )
        first[clip] = name


def main(arguments: Sequence[str] | None = None) -> int:
    """Show the content of the folders of the split and of the audio."""
    return corpus_command(MSD, arguments)


if __name__ == "__main__":
    sys.exit(main())
