"""FMA: songs of the Free Music Archive, as audio without labels.

Defferrard, Benzi, Vandergheynst and Bresson, ISMIR 2017; https://github.com/mdeff/fma (metadata
CC BY 4.0, each song under a licence of its own). MP3 of any rate and number of channels. The
folder as its archives unpack; one subset is enough, and what is in brackets may be absent:

    fma_small/000/000002.mp3       8,000 clips of 30 s, 7.2 GiB
    fma_medium/                    25,000, 22 GiB
    fma_large/                     106,574, 93 GiB
    fma_full/                      the same 106,574 songs in full, 879 GiB
    [fma_metadata/tracks.csv]      two lines of heads, then one that names the index

With the table, the clips are those that it names: 80 % train, 10 % validate and 10 % test (its
columns set/split), and their artists group them. Without it they are the files that are there, and
all train. There are no classes: the corpus is for `unlabelled=fma`.

The clips were cut out of the middle of the songs, but for 21 songs the archive stated a wrong
length, and the cut was at their end or past it (issue 8 of the repository). They are left out of
all subsets but fma_full, where songs are whole; six of them are in fma_small. About 140 further
files of fma_large are unreadable for some decoders (issue 49): `dataset.unreadable=skip`.
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


def download(root: Path, subset: str = "small", archives: Mapping[str, Archive] = ARCHIVES) -> None:
    """Get the tables and one subset as `root/fma_metadata` and `root/fma_SUBSET`, if not there.

    Raises:
        InputError: If the subset is unknown, and as
            `musicssl.datasets.base.download.fetch_unpacked`.
    """
    subsets = [name for name in archives if name != "metadata"]
    if subset not in subsets:
        raise InputError(f"the subset of fma is {', '.join(subsets)}, not {subset!r}.")
    for name in ("metadata", subset):
        fetch_unpacked(archives[name], root, root / f"fma_{name}")


SUBSETS = ("small", "medium", "large", "full")  # each within the next; the last two are the same
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
_AGAIN = "get fma_metadata.zip again from https://github.com/mdeff/fma"


@dataclass(frozen=True)
class FMA(Recordings):
    """FMA as its authors ship it, or with the recordings converted.

    Attributes:
        subset: "small", "medium", "large" or "full"; None for the one whose folder is there.
        ending: Of the recordings that the table names, such as ".wav"; None for that of the first
            one that is there.
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
            InputError: If the subset is unknown, absent or one of several, or the table is
                malformed.
        """
        subset = self._chosen_subset()
        known = (self.folder / TABLE).exists()
        tracks = self._read_table(subset) if known else self._list_files(subset)
        wrong = set(CUT_WRONGLY) if subset != "full" else set()
        used = [track for track in tracks if track.number not in wrong]
        return Annotations(
            classes=(),
            paths=tuple(track.path for track in used),
            y=np.zeros((len(used), 0), np.float32),
            mask=np.zeros((len(used), 0), np.bool_),
            split=np.array([track.split for track in used]),
            groups=np.array([track.artist for track in used]) if known else None,
            sources=np.array([f"fma:{track.number:06d}" for track in used]),
            left_out={
                track.path: "was cut out at the end of its song or past it"
                for track in tracks
                if track.number in wrong
            },
        )

    def _chosen_subset(self) -> str:
        there = [subset for subset in SUBSETS if (self.folder / f"fma_{subset}").is_dir()]
        choice = f"choose dataset.subset={' or dataset.subset='.join(there or SUBSETS)}"
        if self.subset is None and len(there) == 1:
            return there[0]
        if self.subset is None:
            raise InputError(f"{self.folder} holds {len(there)} subsets of fma; {choice}.")
        if self.subset not in SUBSETS:
            raise InputError(
                f"dataset.subset must be one of {', '.join(SUBSETS)}, got {self.subset!r}."
            )
        if self.subset not in there:
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
            raise InputError(f"{folder} holds no file like 000/000002.mp3; {self.get}.")
        return tracks

    def _read_table(self, subset: str) -> list["_Track"]:
        rows = _read_rows(self.folder / TABLE, subset)
        stems = [f"fma_{subset}/{row.number // 1000:03d}/{row.number:06d}" for row in rows]
        ending = file_ending(self.folder, stems, self.ending, _ENDINGS)
        return [row._replace(path=f"{stem}{ending}") for row, stem in zip(rows, stems, strict=True)]


class _Track(NamedTuple):
    """A song or a clip of one: its number, file, split, and its artist's number."""

    number: int
    path: str
    split: str
    artist: str


def _read_rows(path: Path, subset: str) -> list[_Track]:
    """Read what the table says of the tracks of a subset; their paths are left empty."""
    rows = annotation_rows(path, _AGAIN)
    upper, lower = (next(rows, (0, []))[1] for _ in range(2))
    heads = list(zip(upper, lower, strict=False))
    absent = ["/".join(names) for names in _COLUMNS if names not in heads]
    if absent:
        raise InputError(f"{path} has no column {absent[0]} in its first two lines; {_AGAIN}.")
    split, within, artist = (heads.index(names) for names in _COLUMNS)
    wanted = SUBSETS[: SUBSETS.index(subset) + 1]
    tracks = []
    for number, row in rows:
        if row[0] == "track_id":  # the third head, which names the index
            continue
        if len(row) != len(heads) or not row[0].isdecimal() or row[split] not in SPLIT_OF:
            raise InputError(
                f"line {number} of {path} is not a track with {len(heads)} cells, the first a "
                f"number, and a split of {', '.join(SPLIT_OF)}; {_AGAIN}."
            )
        if row[within] in wanted:
            tracks.append(_Track(int(row[0]), "", SPLIT_OF[row[split]], row[artist]))
    if not tracks:
        raise InputError(f"{path} names no track of fma_{subset}; {_AGAIN}.")
    return tracks


def main(arguments: Sequence[str] | None = None) -> int:
    """Show what a folder of FMA holds."""
    return corpus_command(FMA, arguments, download=download)


if __name__ == "__main__":
    sys.exit(main())
