"""Medley-solos-DB: which of eight instruments plays alone for three seconds.

Lostanlen and Cella, ISMIR 2016; version 1.2 of 2019, https://zenodo.org/record/3464194 (CC BY 4.0).
21,571 clips of 2.97 s, mono, 32-bit float (44.1 kHz in the one that mirdata carries), cut out of
the recordings of MedleyDB (training and validation) and of solosDB (test):

    training 5,841    validation 3,494    test 12,236

The folder: the table and the clips of the archive, which has no folder in it. Both may also lie as
mirdata puts them, the table in a folder annotation; the clips may lie beside the table:

    Medley-solos-DB_metadata.csv    subset, instrument, instrument_id, song_id, uuid4
    audio/Medley-solos-DB_validation-3_d07b1fc0-567d-52c2-fef4-239f31c9d40e.wav

A clip has one instrument. Clips of one song are a group.

`python -m musicssl.datasets.medley_solos_db --root DIR [--download]` gets the corpus and counts it.
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


def download(root: Path, table: Archive = METADATA, clips: Archive = CLIPS) -> None:
    """Get the corpus as `root/Medley-solos-DB`: its table, and its clips in a folder `audio`.

    Raises:
        InputError: As `musicssl.datasets.base.download.fetch` and `fetch_unpacked`.
    """
    folder = root / "Medley-solos-DB"
    fetch(table, folder)
    fetch_unpacked(clips, folder, folder / "audio")


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
"""In the order of their instrument_id."""
SPLIT_OF = {"training": "train", "validation": "val", "test": "test"}
TABLE = "Medley-solos-DB_metadata.csv"
MIRDATA_TABLE = f"annotation/{TABLE}"

_COLUMNS = ("subset", "instrument", "instrument_id", "song_id", "uuid4")
_AGAIN = f"get {TABLE} again from https://zenodo.org/record/3464194"


@dataclass(frozen=True)
class MedleySolosDB(Recordings):
    """Medley-solos-DB as published, or as mirdata lays it out."""

    name = "medley_solos_db"
    folders = ("Medley-solos-DB", "medley_solos_db")
    marks = (TABLE, MIRDATA_TABLE)
    get = "download it with `python -m musicssl.datasets.medley_solos_db --root DIR --download`"

    def annotations(self) -> Annotations:
        """Read the table.

        Raises:
            InputError: If it is malformed, or two of its lines are of the same clip.
        """
        folder = self.folder
        table = next(folder / mark for mark in self.marks if (folder / mark).exists())
        clips = [_clip(line) for line in read_table(table, _COLUMNS, _AGAIN, key="uuid4")]
        if not clips:
            raise InputError(f"{table} names no clip; {_AGAIN}.")
        place = "audio/" if (folder / "audio").is_dir() else ""
        y = one_hot([clip.instrument for clip in clips], CLASSES)
        return Annotations(
            classes=CLASSES,
            paths=tuple(place + clip.file for clip in clips),
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
    place, cells = line
    subset, instrument, number = cells["subset"], cells["instrument"], cells["instrument_id"]
    if subset not in SPLIT_OF:
        raise InputError(
            f"{place} has the subset {subset!r}, not one of {', '.join(SPLIT_OF)}; {_AGAIN}."
        )
    if instrument not in CLASSES or number != str(CLASSES.index(instrument)):
        raise InputError(
            f"{place} has instrument {instrument!r} with number {number!r}, which is none of the "
            f"eight of {MedleySolosDB.name}; {_AGAIN}."
        )
    if not cells["song_id"] or not cells["uuid4"]:
        raise InputError(f"{place} has no song_id or no uuid4; {_AGAIN}.")
    file = f"Medley-solos-DB_{subset}-{number}_{cells['uuid4']}.wav"
    return _Clip(file, instrument, SPLIT_OF[subset], cells["song_id"])


def main(arguments: Sequence[str] | None = None) -> int:
    """Get Medley-solos-DB, and show what a folder of it holds."""
    return corpus_command(MedleySolosDB, arguments, download=download)


if __name__ == "__main__":
    sys.exit(main())
