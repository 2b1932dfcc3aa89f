"""GiantSteps key: one of 24 keys for a piece of electronic dance music.

Test: 604 previews of Beatport whose keys its users corrected (Knees et al., ISMIR 2015). Training:
1,486 others, annotated by hand (the MTG key dataset; Faraldo et al.), of which those with one
certain key are used. Their repositories name no licence. Nearly all pieces last two minutes; a
clip is a whole piece.

The folder holds both repositories, as they are cloned or as GitHub's archives unpack them, with
`-master` or a commit at the end of the name:

    giantsteps-mtg-key-dataset/
      annotations/annotations.txt        ID, MANUAL KEY, C: tabs, "D# minor", sharps
      annotations/beatport_metadata.txt  ID, ARTIST and more: tabs
      audio/5061.LOFI.mp3
    giantsteps-key-dataset/
      annotations/key/10089.LOFI.key     "D major", flats, no end of line
      audio/10089.LOFI.mp3

The audio may also be in one folder `audio` beside the two, as in MARBLE and jukemir.

Splits are those of jukemir (Castellon et al., ISMIR 2021) and MARBLE: 923 pieces for training, 236
for validation, 604 for testing. Of the MTG pieces only those are used whose annotator was sure (C
is 2) and wrote one key (no `/`), as in Korzeniowski and Widmer 2018: 1,159; the other 327 are
listed as left out. SHA-1 of an artist's name chooses 16 in 116 artists for validation, together
with all artists connected to them by a chain of collaborations (jukemir follows chains of two,
which is the same for these files). The files do not name the artists of the test pieces, so each
of these is its own group.

Known faults: trailing blanks and blank keys in annotations.txt; sharps there, flats in the test
set, here all flats; four short test pieces (45 to 77 s); Db major has one test piece, so averages
over classes are unreliable. Download: clone both from https://github.com/GiantSteps and run
`audio_dl.sh` in each (about 3 GB); pieces that Beatport no longer has are in the folders `backup`
and `mtg_key_backup` of http://www.cp.jku.at/datasets/giantsteps.

`python -m musicssl.datasets.giantsteps_key --root DIR` shows the content.
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
_VALIDATION_HASHES = (100, 116)  # for validation: hash modulo the second is at least the first

_ARCHIVES = (
    f"{TRAIN_FOLDER}-master",
    f"{TEST_FOLDER}-master",
    f"{TRAIN_FOLDER}-fd7b8c584f7bd6d720d170c325a6d42c9bf75a6b",  # the commits that MARBLE uses
    f"{TEST_FOLDER}-c8cb8aad2cb53f165be51ea099d0dc75c64a844f",
)
_CURE = "get the annotations again from https://github.com/GiantSteps"


@dataclass(frozen=True)
class GiantStepsKey(Recordings):
    """One of 24 keys for each piece; answers get the credit of MIREX (`mirex_credit`)."""

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
            InputError: If a set or a file is missing, or a file is malformed.
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
    """Return the credit for answering key i if the key is j: the weights of MIREX's key task.

    1 for the same key, 0.5 for the key a perfect fifth above it in the same mode, 0.3 for its
    relative major or minor, 0.2 for its parallel key. MIREX says "perfect fifth" without a
    direction; as in `mir_eval.key.weighted_score` a fifth below gets no credit.

    Returns:
        The credit, (24, 24) float32, in the order of `CLASSES`.
    """
    tonic, minor = np.arange(len(CLASSES)) % 12, np.arange(len(CLASSES)) >= 12
    above = (tonic[:, None] - tonic) % 12  # semitones from the true tonic up to the answered one
    same_mode = minor[:, None] == minor
    relative = np.where(minor, 3, 9)  # the relative of a minor key is a third above it
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
    """Read the MTG set: the pieces with one certain key, and the reason for leaving out others."""
    half = _half(folder, TRAIN_FOLDER)
    group_of = _artist_groups(half / METADATA)
    pieces, left_out = [], {}
    lines = read_table(half / MANUAL_KEYS, ("ID", "MANUAL KEY", "C"), _CURE, "\t", "ID")
    for location, row in lines:
        name, text, sureness = row["ID"], row["MANUAL KEY"], row["C"]
        if name not in group_of:
            raise InputError(f"{location}: {METADATA} names no artist of {name!r}; {_CURE}.")
        if sureness not in ("0", "1", _SURE):
            raise InputError(f"{location}: C must be 0, 1 or 2, not {sureness!r}; {_CURE}.")
        path = _audio_path(folder, half, name)
        if sureness != _SURE:
            left_out[path] = f"has the uncertain key {text!r}"
        elif "/" in text:
            left_out[path] = f"has several keys, {text!r}"
        else:
            pieces.append(_Piece(path, _class_of(text, location), *group_of[name]))
    return pieces, left_out


def _test_pieces(folder: Path) -> list[_Piece]:
    half = _half(folder, TEST_FOLDER)
    files = sorted((half / TEST_KEYS).glob("*.LOFI.key"))
    if not files:
        raise InputError(f"{half / TEST_KEYS} has no keys of the test set; {_CURE}.")
    pieces = []
    for file in files:
        path = _audio_path(folder, half, file.name.removesuffix(".LOFI.key"))
        key = _class_of(annotation_text(file, _CURE), str(file))
        pieces.append(_Piece(path, key, "test", group=path))
    return pieces


def _half(folder: Path, name: str) -> Path:
    """Find the folder of one repository, whose name may end in a branch or a commit."""
    halves = [path for path in sorted(folder.glob(f"{name}*")) if path.is_dir()]
    if not halves:
        raise InputError(f"{folder} has no {name}, and both sets are needed; {GiantStepsKey.get}.")
    return halves[0]


def _audio_path(folder: Path, half: Path, name: str) -> str:
    shared = (folder / "audio").is_dir()
    return f"{'' if shared else f'{half.name}/'}audio/{name}.LOFI.mp3"


def _class_of(text: str, location: str) -> str:
    """Return the class, one of `CLASSES`, of a key in the spelling of a file."""
    words = text.split()
    name = " ".join([_FLAT_OF.get(word, word) for word in words])
    if name not in CLASSES:
        raise InputError(f"{location}: {text.strip()!r} is not a key such as 'F# minor'; {_CURE}.")
    return name


def _artist_groups(path: Path) -> dict[str, tuple[str, str]]:
    """Return the split and the group of each piece.

    A group contains all artists connected by collaborations, and has the name of the
    alphabetically first one.
    """
    artists_of = {
        row["ID"]: [artist.strip().lower() for artist in row["ARTIST"].split(",")]
        for _, row in read_table(path, ("ID", "ARTIST"), _CURE, "\t", "ID")
    }
    group_of = _connected(artists_of.values())
    val_groups = {group for artist, group in group_of.items() if _is_for_validation(artist)}
    groups = {name: group_of[artists[0]] for name, artists in artists_of.items()}
    return {
        name: ("val" if group in val_groups else "train", group) for name, group in groups.items()
    }


def _connected(collaborations: Iterable[Sequence[str]]) -> dict[str, str]:
    """Return the first of all artists connected to each artist by a chain of collaborations."""
    first: dict[str, str] = {}

    def first_of(artist: str) -> str:
        while first.setdefault(artist, artist) != artist:
            artist = first[artist]
        return artist

    for artists in collaborations:
        ends = {first_of(artist) for artist in artists}
        first.update(dict.fromkeys(ends, min(ends)))
    return {artist: first_of(artist) for artist in list(first)}


def _is_for_validation(artist: str) -> bool:
    number = int(hashlib.sha1(artist.encode()).hexdigest(), 16)
    return number % _VALIDATION_HASHES[1] >= _VALIDATION_HASHES[0]


def main(arguments: Sequence[str] | None = None) -> int:
    """Show the content of the folder of the corpus, or prepare it."""
    return corpus_command(GiantStepsKey, arguments)


if __name__ == "__main__":
    sys.exit(main())
