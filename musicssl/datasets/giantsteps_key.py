"""GiantSteps key: in which of 24 keys a piece of electronic dance music is.

Test: 604 previews of Beatport whose keys its users corrected (Knees et al., ISMIR 2015). Train:
1,486 others, annotated by hand (the MTG key dataset; Faraldo et al.), of which those with one
certain key are used. Their repositories name no licence. Nearly all pieces last two minutes; a
clip is the whole of one.

The folder holds both repositories, as they are cloned or as GitHub's archives unpack them, with
`-master` or a commit at the end of the name:

    giantsteps-mtg-key-dataset/
      annotations/annotations.txt        ID, MANUAL KEY, C: tabs, "D# minor", sharps
      annotations/beatport_metadata.txt  ID, ARTIST and more: tabs
      audio/5061.LOFI.mp3
    giantsteps-key-dataset/
      annotations/key/10089.LOFI.key     "D major", flats, no end of line
      audio/10089.LOFI.mp3

The audio may also lie in one folder `audio` beside the two, where MARBLE and jukemir put it.

Splits are those of jukemir (Castellon et al., ISMIR 2021) and MARBLE: 923 train, 236 validate, 604
test. Of the MTG pieces only those count whose annotator was sure (C is 2) and wrote one key (no
`/`), as in Korzeniowski and Widmer 2018: 1,159; the other 327 are listed as left out. SHA-1 of an
artist's name chooses 16 in 116 artists to validate, and whoever made a piece with one of them, at
any number of removes, validates too (jukemir follows two, which on these files is the same).
Who made the test pieces is not in the files, so each is a group of its own.

Known faults: trailing blanks and blank keys in annotations.txt; sharps there, flats in the test
set, here all flats; four short test pieces (45 to 77 s); Db major has one test piece, so that
averages over classes say little. Get it: clone both from https://github.com/GiantSteps and run
`audio_dl.sh` in each (about 3 GB); what Beatport no longer has is in the folders `backup` and
`mtg_key_backup` of http://www.cp.jku.at/datasets/giantsteps.

`python -m musicssl.datasets.giantsteps_key --root DIR` shows what is found.
"""

import hashlib
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from musicssl.datasets.base.annotations import Annotations, one_hot
from musicssl.datasets.base.command import corpus_command
from musicssl.datasets.base.recordings import Recordings
from musicssl.datasets.formats.tables import annotation_text, read_table
from musicssl.errors import InputError

TRAIN_FOLDER = "giantsteps-mtg-key-dataset"
TEST_FOLDER = "giantsteps-key-dataset"
MANUAL_KEYS = "annotations/annotations.txt"
METADATA = "annotations/beatport_metadata.txt"
TEST_KEYS = "annotations/key"

TONICS = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")
CLASSES = tuple(f"{tonic} {mode}" for mode in ("major", "minor") for tonic in TONICS)  # MARBLE's
_FLAT_OF = {"C#": "Db", "D#": "Eb", "F#": "Gb", "G#": "Ab", "A#": "Bb"}
_SURE = "2"
_VALIDATING = (100, 116)  # an artist validates whose hash modulo the second is not below the first

_ARCHIVES = (
    f"{TRAIN_FOLDER}-master",
    f"{TEST_FOLDER}-master",
    f"{TRAIN_FOLDER}-fd7b8c584f7bd6d720d170c325a6d42c9bf75a6b",  # the commits MARBLE takes
    f"{TEST_FOLDER}-c8cb8aad2cb53f165be51ea099d0dc75c64a844f",
)
_CURE = "get the annotations again from https://github.com/GiantSteps"


@dataclass(frozen=True)
class GiantStepsKey(Recordings):
    """One of 24 keys for each piece; a class is worth what MIREX gives for it (`mirex_credit`)."""

    name: ClassVar[str] = "giantsteps_key"
    folders: ClassVar[Sequence[str]] = ("giantsteps", "giantsteps_key")
    marks: ClassVar[Sequence[str]] = (TRAIN_FOLDER, TEST_FOLDER, *_ARCHIVES)
    get: ClassVar[str] = (
        f"clone {TRAIN_FOLDER} and {TEST_FOLDER} of https://github.com/GiantSteps into one folder "
        "and run audio_dl.sh in each"
    )

    def annotations(self) -> Annotations:
        """Read both sets.

        Raises:
            InputError: If one is absent or a file is missing or malformed.
        """
        train, left_out = _train_pieces(self.folder)
        pieces = [*train, *_test_pieces(self.folder)]
        y = one_hot([piece.key for piece in pieces], CLASSES)
        return Annotations(
            classes=CLASSES,
            paths=tuple(piece.path for piece in pieces),
            y=y,
            mask=np.ones(y.shape, np.bool_),
            split=np.array([piece.split for piece in pieces]),
            task="multi_class",
            groups=np.array([piece.group for piece in pieces]),
            credit=mirex_credit(),
            left_out=left_out,
        )


def mirex_credit() -> NDArray[np.float32]:
    """What answering key i is worth where key j is right, the weights of MIREX's key task.

    1 for the same key, 0.5 for the key a perfect fifth above it in the same mode, 0.3 for its
    relative major or minor, 0.2 for its parallel one. MIREX says "perfect fifth" without a
    direction; as in `mir_eval.key.weighted_score` one below earns nothing.

    Returns:
        The credit, (24, 24) float32, in the order of `CLASSES`.
    """
    tonic, minor = np.arange(len(CLASSES)) % 12, np.arange(len(CLASSES)) >= 12
    above = (tonic[:, None] - tonic) % 12  # semitones from the right tonic up to the answered one
    same_mode = minor[:, None] == minor
    relative = np.where(minor, 3, 9)  # from the right key: a minor one's relative is a third up
    credit = np.zeros(above.shape, np.float32)
    credit[same_mode & (above == 0)] = 1.0
    credit[same_mode & (above == 7)] = 0.5
    credit[~same_mode & (above == relative)] = 0.3
    credit[~same_mode & (above == 0)] = 0.2
    return credit


class _Piece(NamedTuple):
    path: str
    key: str
    split: str
    group: str


def _train_pieces(folder: Path) -> tuple[list[_Piece], dict[str, str]]:
    """Read the MTG set: the pieces with one certain key, and why each other one is left out."""
    half = _half(folder, TRAIN_FOLDER)
    group_of = _artist_groups(half / METADATA)
    pieces, left_out = [], {}
    for place, row in read_table(half / MANUAL_KEYS, ("ID", "MANUAL KEY", "C"), _CURE, "\t", "ID"):
        name, text, sureness = row["ID"], row["MANUAL KEY"], row["C"]
        if name not in group_of:
            raise InputError(f"{place}: {METADATA} names no artist of {name!r}; {_CURE}.")
        if sureness not in ("0", "1", _SURE):
            raise InputError(f"{place}: C must be 0, 1 or 2, not {sureness!r}; {_CURE}.")
        path = _audio_path(folder, half, name)
        if sureness != _SURE:
            left_out[path] = f"has the uncertain key {text!r}"
        elif "/" in text:
            left_out[path] = f"has several keys, {text!r}"
        else:
            pieces.append(_Piece(path, _class_of(text, place), *group_of[name]))
    return pieces, left_out


def _test_pieces(folder: Path) -> list[_Piece]:
    half = _half(folder, TEST_FOLDER)
    files = sorted((half / TEST_KEYS).glob("*.LOFI.key"))
    if not files:
        raise InputError(f"{half / TEST_KEYS} holds no keys of the test set; {_CURE}.")
    pieces = []
    for file in files:
        path = _audio_path(folder, half, file.name.removesuffix(".LOFI.key"))
        key = _class_of(annotation_text(file, _CURE), str(file))
        pieces.append(_Piece(path, key, "test", group=path))
    return pieces


def _half(folder: Path, name: str) -> Path:
    """Find one of the two repositories, which an archive calls by its name and a commit."""
    halves = [path for path in sorted(folder.glob(f"{name}*")) if path.is_dir()]
    if not halves:
        raise InputError(f"{folder} has no {name}, and both sets are needed; {GiantStepsKey.get}.")
    return halves[0]


def _audio_path(folder: Path, half: Path, name: str) -> str:
    shared = (folder / "audio").is_dir()
    return f"{'' if shared else f'{half.name}/'}audio/{name}.LOFI.mp3"


def _class_of(text: str, place: str) -> str:
    """Turn a key as it was written into one of `CLASSES`."""
    words = text.split()
    name = " ".join([_FLAT_OF.get(word, word) for word in words])
    if name not in CLASSES:
        raise InputError(f"{place}: {text.strip()!r} is no key such as 'F# minor'; {_CURE}.")
    return name


def _artist_groups(path: Path) -> dict[str, tuple[str, str]]:
    """Read the split and the group of each piece: all artists that worked together, however far.

    A group has the name of its alphabetically first artist.
    """
    artists_of = {
        row["ID"]: [artist.strip().lower() for artist in row["ARTIST"].split(",")]
        for _, row in read_table(path, ("ID", "ARTIST"), _CURE, "\t", "ID")
    }
    group_of = _joined(artists_of.values())
    validating = {group for artist, group in group_of.items() if _validates(artist)}
    groups = {name: group_of[artists[0]] for name, artists in artists_of.items()}
    return {name: ("val" if of in validating else "train", of) for name, of in groups.items()}


def _joined(collaborations: Iterable[Sequence[str]]) -> dict[str, str]:
    """Name for each artist the first of all with whom a chain of collaborations connects them."""
    first: dict[str, str] = {}

    def first_of(artist: str) -> str:
        while first.setdefault(artist, artist) != artist:
            artist = first[artist]
        return artist

    for artists in collaborations:
        ends = {first_of(artist) for artist in artists}
        first.update(dict.fromkeys(ends, min(ends)))
    return {artist: first_of(artist) for artist in list(first)}


def _validates(artist: str) -> bool:
    number = int(hashlib.sha1(artist.encode()).hexdigest(), 16)
    return number % _VALIDATING[1] >= _VALIDATING[0]


def main(arguments: Sequence[str] | None = None) -> int:
    """Show what the folder of the corpus holds, or prepare it."""
    return corpus_command(GiantStepsKey, arguments)


if __name__ == "__main__":
    sys.exit(main())
