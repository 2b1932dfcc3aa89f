"""IRMAS: the predominant instruments of a piece of music, out of eleven.

Bosch, Janer, Fuhrmann and Herrera, ISMIR 2012; https://zenodo.org/record/1290750 (CC BY-NC-SA 3.0).
6,705 training excerpts of 3 s and 2,874 test excerpts of 5 to 20 s, 44.1 kHz stereo. The folder;
the archives for testing are unpacked into it or, as here, each into a folder of its name:

    IRMAS-TrainingData/cel/008__[cel][nod][cla]0058__1.wav   INSTRUMENT/[..][..]NNNN__k.wav
    IRMAS-TestingData-Part1/Part1/02 - And The Body Will Die-8.{wav,txt}
    IRMAS-TestingData-Part2/IRTestingData-Part2/...
    IRMAS-TestingData-Part3/Part3/...

- A training excerpt has one instrument, given by its folder; in its name `cla` may be the genre. By
  convention the others are absent, and test excerpts have one to five instruments, so the task is
  multi_label and every row is fully observed, with exactly one class in training. Other instruments
  may sound in training excerpts: the labels are the predominant ones.
- A test excerpt has a text file of the same name, one code per line, with a tab at the end.
- There is no validation set. Excerpts NNNN__1, NNNN__2 ... belong to one song, even in different
  folders, and so do test excerpts whose names differ in the last number: these are the groups. A
  training file with another kind of name is its own group. An artist may have songs in several
  groups.
"""

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from musicssl.audio.files import audio_files
from musicssl.datasets.base.annotations import Annotations
from musicssl.datasets.base.command import corpus_command
from musicssl.datasets.base.download import Archive, fetch_unpacked
from musicssl.datasets.base.recordings import Recordings
from musicssl.datasets.formats.tables import annotation_lines
from musicssl.errors import InputError

_RECORD = "https://zenodo.org/record/1290750/files"
ARCHIVES = {
    name: Archive(f"{_RECORD}/{name}.zip", f"md5:{digest}")
    for name, digest in (
        ("IRMAS-TrainingData", "4fd9f5ed5a18d8e2687e6360b5f60afe"),
        ("IRMAS-TestingData-Part1", "5a2e65520dcedada565dff2050bb2a56"),
        ("IRMAS-TestingData-Part2", "afb0c8ea92f34ee653693106be95c895"),
        ("IRMAS-TestingData-Part3", "9b3fb2d0c89cdc98037121c25bd5b556"),
    )
}
"""Archive of each folder of the corpus."""
INSTRUMENTS = {
    "cel": "cello",
    "cla": "clarinet",
    "flu": "flute",
    "gac": "acoustic_guitar",
    "gel": "electric_guitar",
    "org": "organ",
    "pia": "piano",
    "sax": "saxophone",
    "tru": "trumpet",  # codespell:ignore tru
    "vio": "violin",
    "voi": "voice",
}
"""Class of each code, in the order of the codes."""
CLASSES = tuple(INSTRUMENTS.values())
TRAINING = "IRMAS-TrainingData"
TESTING = (
    ("IRMAS-TestingData-Part1", "Part1"),
    ("IRMAS-TestingData-Part2", "IRTestingData-Part2"),
    ("IRMAS-TestingData-Part3", "Part3"),
)
"""Folders of each part of the test set: the one named after the archive, and the one in it."""

_SONG = re.compile(r"\](\d+)__\d+\.\w+$")  # number of the song in the name of a training file
_EXCERPT = re.compile(r"-\d+$")  # number of the excerpt in the stem of a test file


@dataclass(frozen=True)
class IRMAS(Recordings):
    """IRMAS as its four archives unpack."""

    name = "irmas"
    folders = ("irmas", "IRMAS")
    marks = (TRAINING,)
    get = "download it (11 GB) with `python -m musicssl.datasets.irmas --root DIR --download`"

    def annotations(self) -> Annotations:
        """Read the folders' names and the text files of the test excerpts.

        Raises:
            InputError: If one of the four folders is missing or empty, or a text file is malformed.
        """
        folder = self.folder
        training = list(self._training(folder))
        testing = [excerpt for names in TESTING for excerpt in self._testing(folder, names)]
        excerpts = training + testing
        column = {code: index for index, code in enumerate(INSTRUMENTS)}
        y = np.zeros((len(excerpts), len(CLASSES)), np.float32)
        for row, excerpt in enumerate(excerpts):
            y[row, [column[code] for code in excerpt.codes]] = 1
        return Annotations(
            classes=CLASSES,
            paths=tuple(excerpt.path for excerpt in excerpts),
            y=y,
            mask=np.ones(y.shape, np.bool_),
            split=np.repeat(["train", "test"], [len(training), len(testing)]),
            groups=np.array([excerpt.song for excerpt in excerpts]),
        )

    def _training(self, folder: Path) -> Iterator["_Excerpt"]:
        for path in self._inside(folder, TRAINING, sorted(audio_files(folder / TRAINING))):
            name, code = Path(path).name, Path(path).parent.name
            if code not in INSTRUMENTS:
                raise InputError(
                    f"{folder / TRAINING / path} is not in the folder of one of the instruments "
                    f"{', '.join(INSTRUMENTS)}; move it away, or {self.get}."
                )
            song = _SONG.search(name)
            yield _Excerpt(
                f"{TRAINING}/{path}", [code], f"train/{song[1] if song else f'{code}/{name}'}"
            )

    def _testing(self, folder: Path, names: Sequence[str]) -> Iterator["_Excerpt"]:
        part = next((name for name in names if (folder / name).is_dir()), names[0])
        texts = sorted(
            path.relative_to(folder).as_posix()
            for path in (folder / part).rglob("*.txt")
            if not path.name.startswith((".", "README"))
        )
        for text in self._inside(folder, part, texts):
            codes, stem = self._codes(folder / text), text.removesuffix(".txt")
            yield _Excerpt(f"{stem}.wav", codes, f"test/{_EXCERPT.sub('', Path(stem).name)}")

    def _codes(self, path: Path) -> list[str]:
        lines = annotation_lines(path, self.get)
        for number, code in lines:
            if code not in INSTRUMENTS:
                raise InputError(
                    f"line {number} of {path} is {code!r}, not one of {', '.join(INSTRUMENTS)}; "
                    f"correct it, or {self.get}."
                )
        return [code for _, code in lines]

    def _inside(self, folder: Path, part: str, files: Sequence[str]) -> Sequence[str]:
        """Return the files of a folder if there are any."""
        if not files:
            fault = "is missing" if not (folder / part).is_dir() else "has no annotated excerpt"
            raise InputError(f"{folder / part} {fault}; {self.get}.")
        return files


class _Excerpt(NamedTuple):
    """A recording, the codes of its instruments, and its song."""

    path: str
    codes: Sequence[str]
    song: str


def download(root: Path, archives: Mapping[str, Archive] = ARCHIVES) -> None:
    """Download the four folders of the corpus into `root`, except existing ones.

    Raises:
        InputError: See `musicssl.datasets.base.download.fetch_unpacked`.
    """
    for name, archive in archives.items():
        fetch_unpacked(archive, root, root / name)


def main(arguments: Sequence[str] | None = None) -> int:
    """Show the content of a folder of IRMAS."""
    return corpus_command(IRMAS, arguments, download=download)


if __name__ == "__main__":
    sys.exit(main())
