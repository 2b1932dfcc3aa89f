"""MTG-Jamendo: genres, instruments, moods and themes of full songs, tagged by their artists.

Bogdanov, Won, Tovstogan, Porter and Serra, ML4MD workshop at ICML 2019;
https://github.com/MTG/mtg-jamendo-dataset (metadata CC BY-NC-SA 4.0, each song under its own
Creative Commons licence). MP3, 44.1 kHz stereo, from 30 s to over an hour. Tags that a song does
not have count as absent. There are five official splits, in each of which an artist is in one part
only. The songs of split 0 for training, validation and testing:

    subset=top50         50 tags    32,136 / 10,888 / 11,356
    subset=genre         87         32,572 / 11,043 / 11,479
    subset=instrument    40         14,395 /  5,466 /  5,115
    subset=moodtheme     56          9,949 /  3,802 /  4,231

The authors' repository contains the splits, and its script downloads the audio, into folders named
after the last two digits of a song's number. The audio may be in the repository or beside it, in a
folder audio, audio-low or audios (mirdata) or directly:

    mtg-jamendo-dataset/data/splits/split-0/autotagging_genre-{train,validation,test}.tsv
    audio/41/241.mp3                  508 GB; of subset=moodtheme alone 152 GB
    audio-low/41/241.low.mp3          156 GB and 46 GB: the same in mono, at fewer bits

The tables name 41/241.mp3 in both cases. Their lines end in CR LF, and have one cell for each tag,
so they differ in length. The classes are the tags of the splits: the lists in data/tags have more
(59 moods and themes, not 56). 990 songs are exact copies of others, and copies may be in different
parts of a split (issue 52 of the repository); they are not removed.
"""

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from musicssl.audio.layout import file_ending, recordings_folder
from musicssl.datasets.base.annotations import Annotations
from musicssl.datasets.base.command import corpus_command
from musicssl.datasets.base.recordings import Recordings
from musicssl.datasets.formats.tables import annotation_rows
from musicssl.errors import InputError


def _tags(category: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{category}---{name}" for name in names)


# Each in alphabetical order, as in the lists in data/tags.
# fmt: off
GENRES = _tags(
    "genre",
    "60s", "70s", "80s", "90s", "acidjazz", "alternative", "alternativerock", "ambient",
    "atmospheric", "blues", "bluesrock", "bossanova", "breakbeat", "celtic", "chanson", "chillout",
    "choir", "classical", "classicrock", "club", "contemporary", "country", "dance", "darkambient",
    "darkwave", "deephouse", "disco", "downtempo", "drumnbass", "dub", "dubstep", "easylistening",
    "edm", "electronic", "electronica", "electropop", "ethno", "eurodance", "experimental", "folk",
    "funk", "fusion", "groove", "grunge", "hard", "hardrock", "hiphop", "house", "idm",
    "improvisation", "indie", "industrial", "instrumentalpop", "instrumentalrock", "jazz",
    "jazzfusion", "latin", "lounge", "medieval", "metal", "minimal", "newage", "newwave",
    "orchestral", "pop", "popfolk", "poprock", "postrock", "progressive", "psychedelic", "punkrock",
    "rap", "reggae", "rnb", "rock", "rocknroll", "singersongwriter", "soul", "soundtrack", "swing",
    "symphonic", "synthpop", "techno", "trance", "triphop", "world", "worldfusion",
)
INSTRUMENTS = _tags(
    "instrument",
    "accordion", "acousticbassguitar", "acousticguitar", "bass", "beat", "bell", "bongo", "brass",
    "cello", "clarinet", "classicalguitar", "computer", "doublebass", "drummachine", "drums",
    "electricguitar", "electricpiano", "flute", "guitar", "harmonica", "harp", "horn", "keyboard",
    "oboe", "orchestra", "organ", "pad", "percussion", "piano", "pipeorgan", "rhodes", "sampler",
    "saxophone", "strings", "synthesizer", "trombone", "trumpet", "viola", "violin", "voice",
)
MOODS_AND_THEMES = _tags(
    "mood/theme",
    "action", "adventure", "advertising", "background", "ballad", "calm", "children", "christmas",
    "commercial", "cool", "corporate", "dark", "deep", "documentary", "drama", "dramatic", "dream",
    "emotional", "energetic", "epic", "fast", "film", "fun", "funny", "game", "groovy", "happy",
    "heavy", "holiday", "hopeful", "inspiring", "love", "meditative", "melancholic", "melodic",
    "motivational", "movie", "nature", "party", "positive", "powerful", "relaxing", "retro",
    "romantic", "sad", "sexy", "slow", "soft", "soundscape", "space", "sport", "summer", "trailer",
    "travel", "upbeat", "uplifting",
)
TOP50 = (
    *_tags(
        "genre",
        "alternative", "ambient", "atmospheric", "chillout", "classical", "dance", "downtempo",
        "easylistening", "electronic", "experimental", "folk", "funk", "hiphop", "house", "indie",
        "instrumentalpop", "jazz", "lounge", "metal", "newage", "orchestral", "pop", "popfolk",
        "poprock", "reggae", "rock", "soundtrack", "techno", "trance", "triphop", "world",
    ),
    *_tags(
        "instrument",
        "acousticguitar", "bass", "computer", "drummachine", "drums", "electricguitar",
        "electricpiano", "guitar", "keyboard", "piano", "strings", "synthesizer", "violin", "voice",
    ),
    *_tags("mood/theme", "emotional", "energetic", "film", "happy", "relaxing"),
)
# fmt: on

CLASSES = {
    "top50": TOP50,
    "genre": GENRES,
    "instrument": INSTRUMENTS,
    "moodtheme": MOODS_AND_THEMES,
}
FILES = {
    "top50": "autotagging_top50tags",
    "genre": "autotagging_genre",
    "instrument": "autotagging_instrument",
    "moodtheme": "autotagging_moodtheme",
}
PARTS = {"train": "train", "val": "validation", "test": "test"}
NUM_SPLITS = 5
COLUMNS = ["TRACK_ID", "ARTIST_ID", "ALBUM_ID", "PATH", "DURATION", "TAGS"]

_AUDIO = ("audio", "audio-low", "audios", "")
_FOLDERS = tuple(f"{number:02d}" for number in range(100))
_ENDINGS = (".mp3", ".low.mp3", ".flac", ".low.flac", ".wav", ".low.wav")
_PATH = re.compile(r"\d{2}/\d+\.mp3")
_CURE = "get it again from https://github.com/MTG/mtg-jamendo-dataset"


@dataclass(frozen=True)
class MTGJamendo(Recordings):
    """MTG-Jamendo as published, or with converted recordings.

    Attributes:
        subset: "top50", "genre", "instrument" or "moodtheme"; see the module's docstring.
        split: Number of the split, from 0 to 4.
        audio_root: The folder with the subfolders 00 to 99, relative to the repository or absolute;
            None for the first of audio, audio-low, audios and the folder itself, in the repository
            or beside it, that has them.
        ending: Suffix of the recordings, such as ".low.mp3"; None to take that of the first
            recording found.
    """

    name = "mtg_jamendo"
    folders = ("mtg-jamendo-dataset", "mtg-jamendo", "mtg_jamendo")
    marks = ("data/splits",)
    get = (
        "clone https://github.com/MTG/mtg-jamendo-dataset and get the audio with its "
        "scripts/download/download.py --dataset raw_30s --type audio-low (156 GB)"
    )

    subset: str = "top50"
    split: int = 0
    audio_root: str | Path | None = None
    ending: str | None = None

    @property
    def folder(self) -> Path:
        """The folder with the subfolders 00 to 99.

        Raises:
            InputError: If there are no splits, or `audio_root` is not a folder.
        """
        return recordings_folder(self._repository, self.audio_root, _AUDIO, _FOLDERS)

    @property
    def _repository(self) -> Path:
        return super().folder

    def annotations(self) -> Annotations:
        """Read the three parts of a split; `groups` are artists.

        Raises:
            InputError: If an option is unknown, or a table is missing or malformed.
        """
        self._check_options()
        classes = CLASSES[self.subset]
        splits = self._repository / "data" / "splits" / f"split-{self.split}"
        column_of = {tag: column for column, tag in enumerate(classes)}
        songs: list[_Song] = []
        split: list[str] = []
        for name, part in PARTS.items():
            songs += _read_part(splits / f"{FILES[self.subset]}-{part}.tsv", column_of)
            split += [name] * (len(songs) - len(split))
        y = np.zeros((len(songs), len(classes)), np.float32)
        for row, song in enumerate(songs):
            y[row, song.columns] = 1
        ending = file_ending(self.folder, (song.stem for song in songs), self.ending, _ENDINGS)
        return Annotations(
            classes=classes,
            paths=tuple(f"{song.stem}{ending}" for song in songs),
            y=y,
            mask=np.ones(y.shape, np.bool_),
            split=np.array(split),
            groups=np.array([song.artist for song in songs]),
        )

    def _check_options(self) -> None:
        if self.subset not in CLASSES:
            raise InputError(
                f"dataset.subset must be one of {', '.join(CLASSES)}, got {self.subset!r}."
            )
        if self.split not in range(NUM_SPLITS):
            raise InputError(
                f"dataset.split must be from 0 to {NUM_SPLITS - 1}, got {self.split!r}."
            )


class _Song(NamedTuple):
    """A song: its path without the suffix, its artist, and the columns of its tags."""

    stem: str
    artist: str
    columns: list[int]


def _read_part(path: Path, column_of: Mapping[str, int]) -> list[_Song]:
    rows = annotation_rows(path, _CURE, delimiter="\t")
    _, head = next(rows, (0, []))
    if head != COLUMNS:
        raise InputError(
            f"{path} does not start with the columns {' '.join(COLUMNS)}, separated by tabs; "
            f"{_CURE}."
        )
    songs = []
    for number, (_, *row) in rows:
        if len(row) < len(COLUMNS) - 1 or not _PATH.fullmatch(row[2]):
            raise InputError(
                f"line {number} of {path} is not a song with a path like 41/241.mp3 and at least "
                f"one tag, separated by tabs; {_CURE}."
            )
        artist, _, file, _, *tags = row
        unknown = [tag for tag in tags if tag not in column_of]
        if unknown:
            raise InputError(
                f"line {number} of {path} has the tag {unknown[0]!r}, which is not one of the "
                f"{len(column_of)} of the official splits; {_CURE}."
            )
        songs.append(_Song(file.removesuffix(".mp3"), artist, [column_of[tag] for tag in tags]))
    if not songs:
        raise InputError(f"{path} names no song; {_CURE}.")
    return songs


def main(arguments: Sequence[str] | None = None) -> int:
    """Show the content of a folder of MTG-Jamendo."""
    return corpus_command(MTGJamendo, arguments)


if __name__ == "__main__":
    sys.exit(main())
