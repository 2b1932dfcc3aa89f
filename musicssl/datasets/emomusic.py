"""emoMusic: arousal and valence of 45 seconds of music, two real numbers.

"1000 Songs for Emotional Analysis of Music" (Soleymani et al., 2013; the data of MediaEval 2013),
songs of the Free Music Archive under Creative Commons licences; the annotations are for research.
744 of the thousand songs remain after the authors removed duplicates, so their numbers have gaps.
At least ten listeners rated each clip from 1 to 9.

The folder as its two archives unpack:

    emomusic/
      songs_info.csv           song_id, "Artist", "Mediaeval 2013 set", ...; tabs inside quotes
      static_annotations.csv   song_id,mean_arousal,std_arousal,mean_valence,std_valence
      clips_45seconds/2.mp3    the number of the song, without leading zeros

Splits are those of jukemir (Castellon et al., ISMIR 2021) and MARBLE: 504 songs for training, 115
for validation, 125 for testing. MediaEval's "evaluation" songs are the test split; two in ten of
its "development" artists, chosen by SHA-1 of the name, are for validation. MediaEval did not keep
artists in one split: 53 of the 112 artists of the test split, with 66 of the 125 songs, are also in
training or validation, so the test overestimates the performance on new artists.

Targets are standardised: minus the mean of the development songs, divided by their standard
deviation (of the population, not of a sample), both computed before validation songs are set aside,
as in jukemir. That is (arousal - 4.7561) / 1.3860 and (valence - 4.9739) / 1.2546. R2, the usual
metric, is the same in both units.

Known faults: every text cell of songs_info.csv has a tab in it, before or after; its times are
minutes and seconds and not decimals ("0.5" is 0:50), and are not read, since clips are cut already.
Download: clips_45sec.tar.gz and annotations.tar.gz at http://cvml.unige.ch/databases/emoMusic, both
unpacked into one folder.

`python -m musicssl.datasets.emomusic --root DIR` shows the content.
"""

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from musicssl.datasets.base.annotations import Annotations
from musicssl.datasets.base.command import corpus_command
from musicssl.datasets.base.download import Archive, fetch_unpacked
from musicssl.datasets.base.recordings import Recordings
from musicssl.datasets.formats.tables import read_table
from musicssl.errors import InputError

_HOST = "http://cvml.unige.ch/databases/emoMusic"
TABLES = Archive(
    f"{_HOST}/annotations.tar.gz",
    "sha256:e0cb0b06e1b0ce7f04b1572fc410937699b7fad9dae67ddaa745f06cda4b0b33",
)
CLIPS = Archive(
    f"{_HOST}/clips_45sec.tar.gz",
    "sha256:3994a5d5fefc27f9540d1a69cd7f1294c68e6cb311ce49765021e2e9c7a1057b",
)
CLASSES = ("arousal", "valence")
SONGS = "songs_info.csv"
RATINGS = "static_annotations.csv"
AUDIO = "clips_45seconds"
LOWEST, HIGHEST = 1.0, 9.0  # ends of the listeners' scale
_SET = "Mediaeval 2013 set"
_CURE = "unpack annotations.tar.gz of the corpus again"


@dataclass(frozen=True)
class EmoMusic(Recordings):
    """Arousal and valence of each clip, standardised; every value is observed."""

    name: ClassVar[str] = "emomusic"
    folders: ClassVar[Sequence[str]] = ("emomusic", "emoMusic")
    marks: ClassVar[Sequence[str]] = (RATINGS, SONGS, AUDIO)
    get: ClassVar[str] = (
        "download it with `python -m musicssl.datasets.emomusic --root DIR --download`"
    )

    def annotations(self) -> Annotations:
        """Read the artists and the ratings of the songs.

        Raises:
            InputError: If a file is missing or malformed, or the files disagree on the songs.
        """
        folder = self.folder
        songs, ratings = _read_songs(folder / SONGS), _read_ratings(folder / RATINGS)
        unpaired = sorted(songs.keys() ^ ratings.keys())
        if unpaired:
            raise InputError(
                f"song {unpaired[0]!r} is not in both {SONGS} and {RATINGS} of {folder}; {_CURE}."
            )
        split = np.array([song.split for song in songs.values()])
        y = _standardised(np.array([ratings[number] for number in songs]), split != "test")
        return Annotations(
            classes=CLASSES,
            paths=tuple(f"{AUDIO}/{number}.mp3" for number in songs),
            y=y,
            mask=np.ones(y.shape, np.bool_),
            split=split,
            task="regression",
            groups=np.array([song.artist for song in songs.values()]),
        )


class _Song(NamedTuple):
    artist: str
    split: str


def _read_songs(path: Path) -> dict[str, _Song]:
    """Read the artist and the split of each song."""
    songs = {}
    for location, row in read_table(path, ("song_id", "Artist", _SET), _CURE, key="song_id"):
        if row[_SET] not in ("development", "evaluation"):
            raise InputError(
                f"{location}: the set must be development or evaluation, not {row[_SET]!r}; "
                f"{_CURE}."
            )
        artist = _plain(row["Artist"])
        held_out = row[_SET] == "evaluation"
        songs[row["song_id"]] = _Song(artist, "test" if held_out else _development_split(artist))
    return songs


def _read_ratings(path: Path) -> dict[str, tuple[float, float]]:
    """Read the mean arousal and the mean valence of each song."""
    columns = tuple(f"mean_{name}" for name in CLASSES)
    ratings = {}
    for location, row in read_table(path, ("song_id", *columns), _CURE, key="song_id"):
        arousal, valence = (_rating(row[column], location) for column in columns)
        ratings[row["song_id"]] = arousal, valence
    return ratings


def _rating(text: str, location: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = np.nan
    if not LOWEST <= value <= HIGHEST:
        raise InputError(
            f"{location}: a rating must be a number from {LOWEST:g} to {HIGHEST:g}, not {text!r}; "
            f"{_CURE}."
        )
    return value


def _plain(artist: str) -> str:
    """Normalise a name to lower-case ASCII letters and single blanks."""
    letters = [c for c in artist.lower() if c.isascii() and (c.isalpha() or c.isspace())]
    return " ".join("".join(letters).split())


def _development_split(artist: str) -> str:
    number = int(hashlib.sha1(artist.encode()).hexdigest(), 16)
    return "train" if number % 10 < 8 else "val"


def _standardised(
    ratings: NDArray[np.float64], development: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Shift and scale ratings, (N, 2), so that those in development have mean 0 and deviation 1."""
    reference = ratings[development]
    if len(reference) == 0 or (np.ptp(reference, axis=0) == 0).any():
        raise InputError(
            f"{RATINGS} has no two development songs with different ratings, so the targets have "
            f"no scale; {_CURE}."
        )
    standardised: NDArray[np.float64] = (ratings - reference.mean(axis=0)) / reference.std(axis=0)
    return standardised.astype(np.float32)


def download(root: Path, tables: Archive = TABLES, clips: Archive = CLIPS) -> None:
    """Download the corpus as `root/emomusic`: its tables and the folder of its clips.

    Raises:
        InputError: See `musicssl.datasets.base.download.fetch_unpacked`.
    """
    folder = root / "emomusic"
    fetch_unpacked(tables, root, folder)
    fetch_unpacked(clips, root, folder / "clips_45seconds")


def main(arguments: Sequence[str] | None = None) -> int:
    """Show the content of the folder of the corpus, or prepare it."""
    return corpus_command(EmoMusic, arguments, download=download)


if __name__ == "__main__":
    sys.exit(main())
