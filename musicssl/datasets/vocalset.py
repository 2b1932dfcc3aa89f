"""VocalSet: who sings, or with which technique.

Wilkins, Seetharaman, Wahl and Pardo, ISMIR 2018; https://zenodo.org/record/1203819 (CC BY 4.0).
Twenty singers, about 3,560 recordings of arpeggios, scales, long tones and song excerpts, 44.1 kHz
mono, with seventeen techniques. The folder as its archive (version 1.1) unpacks:

    FULL/female1/arpeggios/belt/f1_arpeggios_belt_c_a.wav     FULL/SINGER/EXERCISE/TECHNIQUE/FILE
    train_singers_technique.txt  test_singers_technique.txt   a singer per line, like female1

Version 1.2 holds the same below data_by_singer, which is read where there is no FULL.

- Technique: ten of the seventeen, as in the paper; recordings with others are not used. The split
  is that of its singers, 15 to train and 5 to test; a validation set is carved out of the former by
  singer.
- Singer: all recordings. There is no official split, so one is drawn, the same everywhere: the
  SHA-256 of a recording's path below FULL decides, with the shares of MARBLE, 20 % to test and 40 %
  of the rest to validate. MARBLE cuts chunks of 3 s and keeps those of a recording together; here a
  clip is a whole recording.

Singer and technique are those of the folders, never of the file name: 28 names lack the singer
(lip_trill_arps.wav), one has a wrong one (m9_caro_vibrato.wav of male8). The folder `vibrado` is
vibrato (MARBLE loses its files). The five files that MARBLE deletes are left out: a copy, and four
that, it says, the paper's table does not name, though three may be good takes of male10. Two more
copies, `NAME(1).wav`, are kept as there, on the side of their originals. Files of macOS (.DS_Store,
._NAME.wav, __MACOSX) are passed over.
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
TEST_SHARE, VAL_SHARE = 0.2, 0.32  # of the recordings, for singer

_TREES = ("FULL", "data_by_singer")
_LISTS = {"train": "train_singers_technique.txt", "test": "test_singers_technique.txt"}
_MISSPELT = {"vibrado": "vibrato"}
_LEFT_OUT = {
    "f2_scales_vibrato_a(1).wav": "is a copy of f2_scales_vibrato_a.wav",
    "caro_vibrato.wav": "is not in the paper's table, says MARBLE",
    "dona_vibrato.wav": "is not in the paper's table, says MARBLE",
    "row_vibrato.wav": "is not in the paper's table, says MARBLE",
    "slow_vibrato_arps.wav": "is not in the paper's table, says MARBLE",
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
    get = "get VocalSet11.zip (2 GB) from https://zenodo.org/record/1203819 and unpack it"

    target: str = "technique"

    def annotations(self) -> Annotations:
        """Read the folders' names and, for techniques, the lists of singers.

        Raises:
            InputError: If the target is unknown, there is no recording with it, or a list is
                missing, malformed or does not name the singer of a recording.
        """
        if self.target not in TARGETS:
            raise InputError(f"dataset.target must be {' or '.join(TARGETS)}, got {self.target!r}.")
        folder = self.folder
        tree = next(name for name in _TREES if (folder / name).exists())
        found = [_Recording.parsed(path) for path in sorted(audio_files(folder / tree))]
        left_out = {f"{tree}/{one.path}": one.fault for one in found if one.fault}
        used = [one for one in found if not one.fault and self._class(one) in TARGETS[self.target]]
        if not used:
            raise InputError(
                f"{folder / tree} has no recording with a {self.target}: none lies like "
                f"female1/scales/belt/NAME.wav; {self.get}."
            )
        y = one_hot([self._class(one) for one in used], TARGETS[self.target])
        return Annotations(
            classes=TARGETS[self.target],
            paths=tuple(f"{tree}/{one.path}" for one in used),
            y=y,
            mask=np.ones(y.shape, np.bool_),
            split=np.array(self._splits(used)),
            task="multi_class",
            groups=np.array([self._group(one) for one in used]),
            left_out=left_out,
        )

    def _class(self, recording: "_Recording") -> str:
        return recording.technique if self.target == "technique" else recording.singer

    def _group(self, recording: "_Recording") -> str:
        return recording.singer if self.target == "technique" else recording.take

    def _splits(self, recordings: Sequence["_Recording"]) -> list[str]:
        if self.target == "singer":
            return [_drawn(one.take) for one in recordings]
        split_of = _read_lists(self.folder, self.get)
        unlisted = sorted({one.singer for one in recordings} - set(split_of))
        if unlisted:
            raise InputError(
                f"neither {' nor '.join(_LISTS.values())} in {self.folder} names "
                f"{', '.join(unlisted)}; {self.get}."
            )
        return [split_of[one.singer] for one in recordings]


@dataclass(frozen=True)
class _Recording:
    """One file, its path below the singers' folders taken apart.

    Attributes:
        path: With `/`.
        singer: One of `SINGERS`.
        technique: One of both kinds.
        fault: Why it must not be used; empty if it may. Then the other two mean nothing.
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
            fault = "does not lie in SINGER/EXERCISE/TECHNIQUE of known names"
        return cls(path, singer, technique, fault)

    @property
    def take(self) -> str:
        """What a copy has in common with its original: the path without "(1)"."""
        return re.sub(r"\(\d+\)(?=\.\w+$)", "", self.path)


def _drawn(take: str) -> str:
    """Draw the split of a recording; it depends on nothing but its path."""
    place = int.from_bytes(hashlib.sha256(take.encode()).digest()[:8], "big") / 2**64
    if place < TEST_SHARE:
        return "test"
    return "val" if place < TEST_SHARE + VAL_SHARE else "train"


def _read_lists(folder: Path, get: str) -> Mapping[str, str]:
    """Read which split each singer is in."""
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
    """Show what a folder of VocalSet holds."""
    return corpus_command(VocalSet, arguments)


if __name__ == "__main__":
    sys.exit(main())
