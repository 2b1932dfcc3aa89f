"""GTZAN: one of ten genres for thirty seconds of music.

Tzanetakis and Cook, IEEE Transactions on Speech and Audio Processing 10(5), 2002. No licence is
stated. 1,000 clips, a hundred of each genre, 22,050 Hz mono, about 30 s long.

The folder as its archive unpacks (left), and the copy on Kaggle (right); `.au` files of old copies
are accepted as well:

    genres/blues/blues.00000.wav         Data/genres_original/blues/blues.00000.wav

The archive has no split. Put the lists of https://github.com/coreyker/dnn-mgr (folder gtzan) beside
those folders or into another folder; each line is a path like blues/blues.00029.wav:

    {train,valid,test}_filtered.txt      443 / 197 / 290 clips: Kereliuk, Sturm and Larsen, 2015
    {train,valid,test}_stratified.txt    500 / 250 / 250 clips

`valid` may be called `val`. The filtered lists leave out 70 replicas and distorted clips and keep
the clips of an artist in one split; since the artists are not listed, there are no groups. The
stratified lists contain all clips, and results on them are too good.

In the copy on Kaggle, and only there, jazz.00054 is not a WAV file: without a RIFF header it is
left out, so that there are 442 filtered training clips.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from musicssl.audio.files import exists
from musicssl.datasets.base.annotations import Annotations, one_hot
from musicssl.datasets.base.command import corpus_command
from musicssl.datasets.base.recordings import Recordings
from musicssl.datasets.formats.tables import annotation_lines
from musicssl.errors import InputError

CLASSES = (
    "blues",
    "classical",
    "country",
    "disco",
    "hiphop",
    "jazz",
    "metal",
    "pop",
    "reggae",
    "rock",
)
LISTS = {"fault_filtered": "filtered", "stratified": "stratified"}  # split -> end of the file name
PARTS = {"train": ("train",), "val": ("valid", "val"), "test": ("test",)}  # start of the file name

_KAGGLE = ("Data/genres_original", "genres_original")
_AUDIO = ("genres", *_KAGGLE)
_BROKEN_ON_KAGGLE = "jazz/jazz.00054.wav"
_GET_LISTS = "get the lists from https://github.com/coreyker/dnn-mgr, folder gtzan"


@dataclass(frozen=True)
class GTZAN(Recordings):
    """GTZAN as its authors' archive or its copy on Kaggle unpacks.

    Attributes:
        split: "fault_filtered" or "stratified"; see the module's docstring.
        lists: Folder of the lists of that split, relative to the folder of the corpus or absolute;
            None for the folder of the corpus.
    """

    name = "gtzan"
    folders = ("gtzan", "GTZAN")
    marks = _AUDIO
    get = (
        "download a copy, since its authors' host is gone (Hugging Face m-a-p/GTZAN, or Kaggle "
        "andradaolteanu/gtzan-dataset-music-genre-classification), and unpack it"
    )

    split: str = "fault_filtered"
    lists: str | Path | None = None

    def annotations(self) -> Annotations:
        """Read the three lists of the split.

        Raises:
            InputError: If an option is unknown, a list is missing or malformed, or two lists name
                the same clip.
        """
        if self.split not in LISTS:
            raise InputError(f"dataset.split must be {' or '.join(LISTS)}, got {self.split!r}.")
        folder = self.folder
        audio = next(name for name in _AUDIO if (folder / name).exists())
        split_of = self._read_lists()
        left_out = {}
        if audio in _KAGGLE and _lacks_riff(folder / audio / _BROKEN_ON_KAGGLE):
            left_out[f"{audio}/{_BROKEN_ON_KAGGLE}"] = "has no RIFF header, as on Kaggle"
            split_of.pop(_BROKEN_ON_KAGGLE, None)
        y = one_hot([clip.split("/")[0] for clip in split_of], CLASSES)
        return Annotations(
            classes=CLASSES,
            paths=tuple(f"{audio}/{_as_shipped(folder / audio, clip)}" for clip in split_of),
            y=y,
            mask=np.ones(y.shape, np.bool_),
            split=np.array(list(split_of.values())),
            task="multi_class",
            left_out=left_out,
        )

    def _read_lists(self) -> dict[str, str]:
        """Read the split of each clip."""
        folder = self.folder if self.lists is None else self.folder / Path(self.lists).expanduser()
        split_of: dict[str, str] = {}
        for split, starts in PARTS.items():
            path = _list_file(folder, [f"{start}_{LISTS[self.split]}.txt" for start in starts])
            for number, clip in annotation_lines(path, _GET_LISTS):
                genre, _, file = clip.partition("/")
                if genre not in CLASSES or not file.startswith(f"{genre}."):
                    raise InputError(
                        f"line {number} of {path} is {clip!r}, not a path like "
                        f"blues/blues.00029.wav; {_GET_LISTS}."
                    )
                if clip in split_of:
                    raise InputError(
                        f"line {number} of {path} names {clip}, which is already in "
                        f"{split_of[clip]}; {_GET_LISTS}."
                    )
                split_of[clip] = split
        return split_of


def _list_file(folder: Path, names: Sequence[str]) -> Path:
    for name in names:
        if (folder / name).exists():
            return folder / name
    raise InputError(
        f"{folder} has no {' or '.join(names)}, which the archive of gtzan does not contain; "
        f"{_GET_LISTS}, put them there or set their folder with dataset.lists=DIR."
    )


def _lacks_riff(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) != b"RIFF"


def _as_shipped(audio: Path, clip: str) -> str:
    """Return the path of the .au file of a clip if there is no .wav file."""
    old = Path(clip).with_suffix(".au").as_posix()
    return old if exists(audio / old) and not exists(audio / clip) else clip


def main(arguments: Sequence[str] | None = None) -> int:
    """Show the content of a folder of GTZAN."""
    return corpus_command(GTZAN, arguments)


if __name__ == "__main__":
    sys.exit(main())
