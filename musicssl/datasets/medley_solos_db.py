"""Medley-solos-DB: three seconds of one of eight solo instruments.

Lostanlen and Cella, ISMIR 2016; version 1.2 of 2019, https://zenodo.org/record/3464194 (CC BY 4.0).
21,571 clips of 2.97 s, mono, 32-bit float (44.1 kHz in the copy of mirdata), cut out of the
recordings of MedleyDB (training and validation) and of solosDB (test):

    training 5,841    validation 3,494    test 12,236

The folder: the table and the clips of the archive, which has no folder in it. The layout of mirdata
is accepted as well, with the table in a folder annotation; the clips may be beside the table:

    Medley-solos-DB_metadata.csv    subset, instrument, instrument_id, song_id, uuid4
    audio/Medley-solos-DB_validation-3_d07b1fc0-567d-52c2-fef4-239f31c9d40e.wav

A clip has one instrument. Clips of one song are a group.

`python -m musicssl.datasets.medley_solos_db --root DIR [--download]` downloads the corpus and shows
its content.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from musicssl.datasets.base.annotations import Annotations, one_hot
from musicssl.datasets.base.command import corpus_command
from musicssl.datasets.base.download import Archive, fetch, fetch_unpacked
from musicssl.datasets.base.recordings import Recordings
from musicssl.datasets.formats.tables import Line, read_table
from musicssl.errors import InputError

_RECORD = "https://zenodo.org/record/3464194/files"
METADATA = Archive(
    f"{_RECORD}/Medley-solos-DB_metadata.csv", "md5:fda6a589c56785f2195c9227809c521a"
)
CLIPS = Archive(f"{_RECORD}/Medley-solos-DB.tar.gz", "md5:f5facf398793ef5c1f80c013afdf3e5f")
CLASSES = (
    "clarinet",
    "distorted electric guitar",
    "female singer",
    "flute",
    "piano",
    "tenor saxophone",
    "trumpet",
    "violin",
)
"""Classes in the order of their instrument_id."""
SPLIT_OF = {"training": "train", "validation": "val", "test": "test"}
TABLE = "Medley-solos-DB_metadata.csv"
MIRDATA_TABLE = f"annotation/{TABLE}"

_COLUMNS = ("subset", "instrument", "instrument_id", "song_id", "uuid4")
_CURE = f"get {TABLE} again from https://zenodo.org/record/3464194"


@dataclass(frozen=True)
class MedleySolosDB(Recordings):
    """Medley-solos-DB as published, or in the layout of mirdata."""

    name = "medley_solos_db"
    folders = ("Medley-solos-DB", "medley_solos_db")
    marks = (TABLE, MIRDATA_TABLE)
    get = "download it with `python -m musicssl.datasets.medley_solos_db --root DIR --download`"

    def annotations(self) -> Annotations:
        """Read the table.

        Raises:
            InputError: If it is malformed, or two of its lines name the same clip.
        """
        folder = self.folder
        table = next(folder / mark for mark in self.marks if (folder / mark).exists())
        clips = [_clip(line) for line in read_table(table, _COLUMNS, _CURE, key="uuid4")]
        if not clips:
            raise InputError(f"{table} names no clip; {_CURE}.")
        prefix = "audio/" if (folder / "audio").is_dir() else ""
        y = one_hot([clip.instrument for clip in clips], CLASSES)
        return Annotations(
            classes=CLASSES,
            paths=tuple(prefix + clip.file for clip in clips),
            y=y,
            mask=np.ones(y.shape, np.bool_),
            split=np.array([clip.split for clip in clips]),
            task="multi_class",
            groups=np.array([clip.song for clip in clips]),
        )


class _Clip(NamedTuple):
    file: str
    instrument: str
    split: str
    song: str


def _clip(line: Line) -> _Clip:
    location, cells = line
    subset, instrument, number = cells["subset"], cells["instrument"], cells["instrument_id"]
    if subset not in SPLIT_OF:
        raise InputError(
            f"{location} has the subset {subset!r}, not one of {', '.join(SPLIT_OF)}; {_CURE}."
        )
    if instrument not in CLASSES or number != str(CLASSES.index(instrument)):
        raise InputError(
            f"{location} has instrument {instrument!r} with number {number!r}, which is not one of "
            f"the eight of {MedleySolosDB.name}; {_CURE}."
        )
    if not cells["song_id"] or not cells["uuid4"]:
        raise InputError(f"{location} has no song_id or no uuid4; {_CURE}.")
    file = f"Medley-solos-DB_{subset}-{number}_{cells['uuid4']}.wav"
    return _Clip(file, instrument, SPLIT_OF[subset], cells["song_id"])


def download(root: Path, table: Archive = METADATA, clips: Archive = CLIPS) -> None:
    """Download the corpus as `root/Medley-solos-DB`: its table, and its clips in a folder `audio`.

    Raises:
        InputError: See `musicssl.datasets.base.download.fetch` and `fetch_unpacked`.
    """
    folder = root / "Medley-solos-DB"
    fetch(table, folder)
    fetch_unpacked(clips, folder, folder / "audio")


def main(arguments: Sequence[str] | None = None) -> int:
    """Download Medley-solos-DB, and show the content of a folder of it."""
    return corpus_command(MedleySolosDB, arguments, download=download)


if __name__ == "__main__":
    sys.exit(main())
