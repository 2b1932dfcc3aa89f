"""FMA: songs of the Free Music Archive, as audio without labels.

Defferrard, Benzi, Vandergheynst and Bresson, ISMIR 2017; https://github.com/mdeff/fma (metadata
CC BY 4.0, each song under its own licence). MP3 of any rate and number of channels. The folder as
its archives unpack; one subset is enough, and files in brackets are optional:

    fma_small/000/000002.mp3       8,000 clips of 30 s, 7.2 GiB
    fma_medium/                    25,000, 22 GiB
    fma_large/                     106,574, 93 GiB
    fma_full/                      the same 106,574 songs in full, 879 GiB
    [fma_metadata/tracks.csv]      two lines of heads, then one that names the index

With the table, the clips are those in it: 80 % for training, 10 % for validation and 10 % for
testing (its columns set/split), grouped by artist. Without it the clips are the existing files, all
for training. There are no classes: the corpus is for `unlabelled=fma`.

The clips were cut out of the middle of the songs, but for 21 songs the archive stated a wrong
length, so that they were cut at the end of the song or after it (issue 8 of the repository). They
are left out of all subsets except fma_full, where songs are whole; six of them are in fma_small.
Some decoders cannot read about 140 other files of fma_large (issue 49): `dataset.unreadable=skip`.
"""

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from musicssl.audio.files import audio_files
from musicssl.audio.layout import file_ending
from musicssl.datasets.base.annotations import Annotations
from musicssl.datasets.base.command import corpus_command
from musicssl.datasets.base.download import Archive, fetch_unpacked
from musicssl.datasets.base.recordings import Recordings
from musicssl.datasets.formats.tables import annotation_rows
from musicssl.errors import InputError

_HOST = "https://os.unil.cloud.switch.ch/fma"
ARCHIVES = {
    name: Archive(f"{_HOST}/fma_{name}.zip", f"sha1:{digest}")
    for name, digest in (
        ("metadata", "f0df49ffe5f2a6008d7dc83c6915b31835dfe733"),
        ("small", "ade154f733639d52e35e32f5593efe5be76c6d70"),
        ("medium", "c67b69ea232021025fca9231fc1c7c1a063ab50b"),
        ("large", "497109f4dd721066b5ce5e5f250ec604dc78939e"),
        ("full", "0f0ace23fbe9ba30ecb7e95f763e435ea802b8ab"),
    )
}
"""0.3, 7.2, 22, 93 and 879 GiB."""
SUBSETS = ("small", "medium", "large", "full")  # nested; the last two have the same songs
SPLIT_OF = {"training": "train", "validation": "val", "test": "test"}
# fmt: off
CUT_WRONGLY = (
    1486, 5574, 65753, 80391, 98558, 98559, 98560, 98565, 98566, 98567, 98568, 98569, 98571, 99134,
    105247, 108924, 108925, 126981, 127336, 133297, 143992,
)
# fmt: on
TABLE = "fma_metadata/tracks.csv"

_COLUMNS = (("set", "split"), ("set", "subset"), ("artist", "id"))
_ENDINGS = (".mp3", ".wav", ".flac", ".ogg")
_FILE = re.compile(r"\d{3}/(\d{6})\.\w+")
_NUMBER = re.compile("[0-9]{1,9}")
_CURE = "get fma_metadata.zip again from https://github.com/mdeff/fma"


@dataclass(frozen=True)
class FMA(Recordings):
    """FMA as its authors ship it, or with the recordings converted.

    Attributes:
        subset: "small", "medium", "large" or "full"; None for the only one whose folder exists.
        ending: Suffix of the recordings, such as ".wav"; None to take that of the first recording
            found.
    """

    name = "fma"
    folders = ("fma", "FMA")
    marks = tuple(f"fma_{subset}" for subset in SUBSETS)
    get = (
        "download fma_small (7.2 GiB) with `python -m musicssl.datasets.fma --root DIR "
        "--download`, or unpack fma_metadata.zip and a larger subset of "
        "https://github.com/mdeff/fma there"
    )

    subset: str | None = None
    ending: str | None = None

    def annotations(self) -> Annotations:
        """Read the splits and artists, or list the files if there is no table.

        Raises:
            InputError: If the subset is unknown, missing or ambiguous, or the table is malformed.
        """
        subset = self._chosen_subset()
        has_table = (self.folder / TABLE).exists()
        tracks = self._read_table(subset) if has_table else self._list_files(subset)
        wrong = set(CUT_WRONGLY) if subset != "full" else set()
        used = [track for track in tracks if track.number not in wrong]
        return Annotations(
            classes=(),
            paths=tuple(track.path for track in used),
            y=np.zeros((len(used), 0), np.float32),
            mask=np.zeros((len(used), 0), np.bool_),
            split=np.array([track.split for track in used]),
            groups=np.array([track.artist for track in used]) if has_table else None,
            sources=np.array([f"fma:{track.number:06d}" for track in used]),
            left_out={
                track.path: "was cut at the end of its song or after it"
                for track in tracks
                if track.number in wrong
            },
        )

    def _chosen_subset(self) -> str:
        existing = [subset for subset in SUBSETS if (self.folder / f"fma_{subset}").is_dir()]
        choice = f"choose dataset.subset={' or dataset.subset='.join(existing or SUBSETS)}"
        if self.subset is None and len(existing) == 1:
            return existing[0]
        if self.subset is None:
            raise InputError(f"{self.folder} has {len(existing)} subsets of fma; {choice}.")
        if self.subset not in SUBSETS:
            raise InputError(
                f"dataset.subset must be one of {', '.join(SUBSETS)}, got {self.subset!r}."
            )
        if self.subset not in existing:
            raise InputError(f"{self.folder} has no fma_{self.subset}; put it there, or {choice}.")
        return self.subset

    def _list_files(self, subset: str) -> list["_Track"]:
        folder = self.folder / f"fma_{subset}"
        tracks = [
            _Track(int(file[1]), f"fma_{subset}/{file[0]}", "train", "")
            for file in map(_FILE.fullmatch, sorted(audio_files(folder)))
            if file is not None
        ]
        if not tracks:
            raise InputError(f"{folder} has no file like 000/000002.mp3; {self.get}.")
        return tracks

    def _read_table(self, subset: str) -> list["_Track"]:
        rows = _read_rows(self.folder / TABLE, subset)
        stems = [f"fma_{subset}/{row.number // 1000:03d}/{row.number:06d}" for row in rows]
        ending = file_ending(self.folder, stems, self.ending, _ENDINGS)
        return [row._replace(path=f"{stem}{ending}") for row, stem in zip(rows, stems, strict=True)]


class _Track(NamedTuple):
    """A song, or a clip of one: its number, file and split, and the number of its artist."""

    number: int
    path: str
    split: str
    artist: str


def _read_rows(path: Path, subset: str) -> list[_Track]:
    """Read the tracks of a subset from the table; their paths are left empty."""
    rows = annotation_rows(path, _CURE)
    upper, lower = (next(rows, (0, []))[1] for _ in range(2))
    heads = list(zip(upper, lower, strict=False))
    absent = ["/".join(names) for names in _COLUMNS if names not in heads]
    if absent:
        raise InputError(f"{path} has no column {absent[0]} in its first two lines; {_CURE}.")
    split, within, artist = (heads.index(names) for names in _COLUMNS)
    wanted = SUBSETS[: SUBSETS.index(subset) + 1]
    tracks = []
    for number, row in rows:
        if row[0] == "track_id":  # the third line of the head, which names the index
            continue
        if len(row) != len(heads) or not _NUMBER.fullmatch(row[0]) or row[split] not in SPLIT_OF:
            raise InputError(
                f"line {number} of {path} is not a track with {len(heads)} cells, the first a "
                f"number, and a split of {', '.join(SPLIT_OF)}; {_CURE}."
            )
        if row[within] in wanted:
            tracks.append(_Track(int(row[0]), "", SPLIT_OF[row[split]], row[artist]))
    if not tracks:
        raise InputError(f"{path} names no track of fma_{subset}; {_CURE}.")
    return tracks


def download(root: Path, subset: str = "small", archives: Mapping[str, Archive] = ARCHIVES) -> None:
    """Download tables and one subset as `root/fma_metadata` and `root/fma_SUBSET` if missing.

    Raises:
        InputError: If the subset is unknown; see also
            `musicssl.datasets.base.download.fetch_unpacked`.
    """
    subsets = [name for name in archives if name != "metadata"]
    if subset not in subsets:
        raise InputError(f"the subset of fma is {', '.join(subsets)}, not {subset!r}.")
    for name in ("metadata", subset):
        fetch_unpacked(archives[name], root, root / f"fma_{name}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Show the content of a folder of FMA."""
    return corpus_command(FMA, arguments, download=download)


if __name__ == "__main__":
    sys.exit(main())
