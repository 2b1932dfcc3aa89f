"""VocalSet: the singer, or the singing technique.

Wilkins, Seetharaman, Wahl and Pardo, ISMIR 2018; https://zenodo.org/record/1203819 (CC BY 4.0).
Twenty singers, about 3,560 recordings of arpeggios, scales, long tones and song excerpts, 44.1 kHz
mono, with seventeen techniques. The folder as its archive (version 1.1) unpacks:

    FULL/female1/arpeggios/belt/f1_arpeggios_belt_c_a.wav     FULL/SINGER/EXERCISE/TECHNIQUE/FILE
    train_singers_technique.txt  test_singers_technique.txt   a singer per line, like female1

Version 1.2 has the same in data_by_singer, which is read if there is no FULL.

- Technique: ten of the seventeen, as in the paper; recordings of other techniques are not used. The
  split is the official one by singer, 15 for training and 5 for testing; a validation set is drawn
  from the former by singer.
- Singer: all recordings. There is no official split, so a fixed one is drawn by the SHA-256 of a
  recording's path in FULL, with the fractions of MARBLE, 20 % for testing and 40 % of the rest for
  validation. MARBLE cuts chunks of 3 s and keeps those of a recording together; here a clip is a
  whole recording.

Singer and technique are taken from the folders, never from the file name: 28 names lack the singer
(lip_trill_arps.wav), one has a wrong singer (m9_caro_vibrato.wav of male8). The folder `vibrado` is
vibrato (MARBLE loses its files). The five files that MARBLE deletes are left out: a copy, and four
that, according to MARBLE, are not in the paper's table, though three may be good takes of male10.
Two more copies, `NAME(1).wav`, are kept as in MARBLE, in the split of their originals. Files of
macOS (.DS_Store, ._NAME.wav, __MACOSX) are skipped.
"""

import hashlib
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from musicssl.audio.files import audio_files
from musicssl.datasets.base.annotations import Annotations, one_hot
from musicssl.datasets.base.command import corpus_command
from musicssl.datasets.base.recordings import Recordings
from musicssl.datasets.formats.tables import annotation_lines
from musicssl.errors import InputError

SINGERS = (
    *(f"female{number}" for number in range(1, 10)),
    *(f"male{number}" for number in range(1, 12)),
)
TECHNIQUES = (
    "belt",
    "breathy",
    "inhaled",
    "lip_trill",
    "spoken",
    "straight",
    "trill",
    "trillo",
    "vibrato",
    "vocal_fry",
)
OTHER_TECHNIQUES = (
    "fast_forte",
    "fast_piano",
    "forte",
    "messa",
    "pp",
    "slow_forte",
    "slow_piano",
)
TARGETS = {"technique": TECHNIQUES, "singer": SINGERS}
TEST_SHARE, VAL_SHARE = 0.2, 0.32  # fractions of the recordings, for singer

_TREES = ("FULL", "data_by_singer")
_LISTS = {"train": "train_singers_technique.txt", "test": "test_singers_technique.txt"}
_MISSPELT = {"vibrado": "vibrato"}
_LEFT_OUT = {
    "f2_scales_vibrato_a(1).wav": "is a copy of f2_scales_vibrato_a.wav",
    "caro_vibrato.wav": "is not in the paper's table according to MARBLE",
    "dona_vibrato.wav": "is not in the paper's table according to MARBLE",
    "row_vibrato.wav": "is not in the paper's table according to MARBLE",
    "slow_vibrato_arps.wav": "is not in the paper's table according to MARBLE",
}


@dataclass(frozen=True)
class VocalSet(Recordings):
    """VocalSet as its archive unpacks.

    Attributes:
        target: "technique" or "singer".
    """

    name = "vocalset"
    folders = ("vocalset", "VocalSet", "VocalSet11", "VocalSet1-2")
    marks = _TREES
    get = "download VocalSet11.zip (2 GB) from https://zenodo.org/record/1203819 and unpack it"

    target: str = "technique"

    def annotations(self) -> Annotations:
        """Read the folders' names and, for techniques, the lists of singers.

        Raises:
            InputError: If the target is unknown, there is no recording with it, a list is missing
                or malformed, or a singer is in no list.
        """
        if self.target not in TARGETS:
            raise InputError(f"dataset.target must be {' or '.join(TARGETS)}, got {self.target!r}.")
        folder = self.folder
        tree = next(name for name in _TREES if (folder / name).exists())
        recordings = [_Recording.parsed(path) for path in sorted(audio_files(folder / tree))]
        left_out = {f"{tree}/{r.path}": r.fault for r in recordings if r.fault}
        used = [
            recording
            for recording in recordings
            if not recording.fault and self._class(recording) in TARGETS[self.target]
        ]
        if not used:
            raise InputError(
                f"{folder / tree} has no recording with a {self.target}: none has a path like "
                f"female1/scales/belt/NAME.wav; {self.get}."
            )
        y = one_hot([self._class(recording) for recording in used], TARGETS[self.target])
        return Annotations(
            classes=TARGETS[self.target],
            paths=tuple(f"{tree}/{recording.path}" for recording in used),
            y=y,
            mask=np.ones(y.shape, np.bool_),
            split=np.array(self._splits(used)),
            task="multi_class",
            groups=np.array([self._group(recording) for recording in used]),
            left_out=left_out,
        )

    def _class(self, recording: "_Recording") -> str:
        return recording.technique if self.target == "technique" else recording.singer

    def _group(self, recording: "_Recording") -> str:
        return recording.singer if self.target == "technique" else recording.take

    def _splits(self, recordings: Sequence["_Recording"]) -> list[str]:
        if self.target == "singer":
            return [_drawn(recording.take) for recording in recordings]
        split_of = _read_lists(self.folder, self.get)
        unlisted = sorted({recording.singer for recording in recordings} - set(split_of))
        if unlisted:
            raise InputError(
                f"neither {' nor '.join(_LISTS.values())} in {self.folder} names "
                f"{', '.join(unlisted)}; {self.get}."
            )
        return [split_of[recording.singer] for recording in recordings]


@dataclass(frozen=True)
class _Recording:
    """One file, with the parts of its path.

    Attributes:
        path: Path relative to the folder of the singers, with `/`.
        singer: One of `SINGERS`.
        technique: One of `TECHNIQUES` or `OTHER_TECHNIQUES`.
        fault: Reason for leaving the file out, in which case singer and technique are arbitrary;
            empty if there is none.
    """

    path: str
    singer: str
    technique: str
    fault: str

    @classmethod
    def parsed(cls, path: str) -> "_Recording":
        folders, name = path.split("/")[:-1], path.split("/")[-1]
        singer, technique = (folders[0], folders[2]) if len(folders) == 3 else ("", "")
        technique = _MISSPELT.get(technique, technique)
        fault = _LEFT_OUT.get(name, "")
        if singer not in SINGERS or technique not in TECHNIQUES + OTHER_TECHNIQUES:
            fault = "is not in a folder SINGER/EXERCISE/TECHNIQUE with known names"
        return cls(path, singer, technique, fault)

    @property
    def take(self) -> str:
        """The path without "(1)", which a copy has in common with its original."""
        return re.sub(r"\(\d+\)(?=\.\w+$)", "", self.path)


def _drawn(take: str) -> str:
    """Draw the split of a recording, as a function of its path."""
    uniform = int.from_bytes(hashlib.sha256(take.encode()).digest()[:8], "big") / 2**64
    if uniform < TEST_SHARE:
        return "test"
    return "val" if uniform < TEST_SHARE + VAL_SHARE else "train"


def _read_lists(folder: Path, get: str) -> Mapping[str, str]:
    """Read the split of each singer."""
    split_of: dict[str, str] = {}
    for split, name in _LISTS.items():
        for number, singer in annotation_lines(folder / name, get):
            if singer not in SINGERS:
                raise InputError(
                    f"line {number} of {folder / name} is {singer!r}, not a singer like female1; "
                    f"{get}."
                )
            if singer in split_of:
                raise InputError(
                    f"line {number} of {folder / name} names {singer}, who is already in "
                    f"{split_of[singer]}; {get}."
                )
            split_of[singer] = split
    return split_of


def main(arguments: Sequence[str] | None = None) -> int:
    """Show the content of a folder of VocalSet."""
    return corpus_command(VocalSet, arguments)


if __name__ == "__main__":
    sys.exit(main())
