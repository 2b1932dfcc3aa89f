"""SONYC-UST: ten seconds of New York's streets, with the sounds that volunteers heard in them.

Cartwright et al. 2020, https://arxiv.org/abs/2009.05188, version 2.3; CC BY 4.0. 18,510 recordings
of a network of sensors; eight coarse classes, or 23 fine ones. Music is one of the coarse ones. It
is no corpus of music, but one of the two on which Gururani studied missing labels.

The folder as the files of https://zenodo.org/record/3966543 unpack:

    annotations.csv             split,sensor_id,audio_filename,annotator_id,...,1_engine_presence
    audio/00_000066.wav

A line is what one annotator said of a recording: a volunteer (`annotator_id` above 0; three of each
recording), a member of the team (below 0, of one group of classes at a time), or the verified truth
on which the team agreed (0). A column is 1, 0, or -1 if the annotator was not asked. Lines of the
team's single members are not used.

Training clips have the verified labels where there are some, otherwise those of the volunteers: a
class is present if `votes` of them heard it (1, as in the baseline of DCASE 2020). Validation and
test clips are those with verified labels; the others of these splits are left out. Training and
validation clips are of different sensors; test clips are later in time, of any sensor.

Fine classes: an annotator who heard, say, an engine of uncertain size (`1-X`) did not say which of
its fine classes it was. Then those of them that were not named are unobserved.

`python -m musicssl.datasets.sonyc_ust --root DIR` shows what is found.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musicssl.datasets.base.annotations import Annotations
from musicssl.datasets.base.command import corpus_command
from musicssl.datasets.base.recordings import Recordings
from musicssl.datasets.formats.tables import Line, read_table
from musicssl.errors import InputError

TABLE = "annotations.csv"
TAXONOMY: Mapping[str, tuple[str, ...]] = {  # coarse: fine, each in the order of their numbers
    "engine": ("small-sounding-engine", "medium-sounding-engine", "large-sounding-engine"),
    "machinery-impact": ("rock-drill", "jackhammer", "hoe-ram", "pile-driver"),
    "non-machinery-impact": ("non-machinery-impact",),
    "powered-saw": ("chainsaw", "small-medium-rotating-saw", "large-rotating-saw"),
    "alert-signal": ("car-horn", "car-alarm", "siren", "reverse-beeper"),
    "music": ("stationary-music", "mobile-music", "ice-cream-truck"),
    "human-voice": (
        "person-or-small-group-talking",
        "person-or-small-group-shouting",
        "large-crowd",
        "amplified-speech",
    ),
    "dog": ("dog-barking-whining",),
}
UNCERTAIN: Mapping[str, str] = {  # the fine class X of a coarse one that has one
    "engine": "engine-of-uncertain-size",
    "machinery-impact": "other-unknown-impact-machinery",
    "powered-saw": "other-unknown-powered-saw",
    "alert-signal": "other-unknown-alert-signal",
    "music": "music-from-uncertain-source",
    "human-voice": "other-unknown-human-voice",
}
LEVELS = ("coarse", "fine")
SPLITS = {"train": "train", "validate": "val", "test": "test"}
_DOUBTFUL = -2  # a fine class that may be the uncertain one of its group
_VALUES = ("1", "0", "-1")
_COLUMNS = ("split", "audio_filename", "annotator_id")


@dataclass(frozen=True)
class SonycUST(Recordings):
    """The sounds of recordings of New York's streets.

    Attributes:
        level: Classes: "coarse", eight, or "fine", 23.
        votes: Volunteers who must have heard a class for it to be present, 1 to 3.
    """

    name = "sonyc_ust"
    folders = ("sonyc_ust", "SONYC-UST", "sonyc-ust")
    marks = (TABLE,)
    get = "download annotations.csv and audio-*.tar.gz of https://zenodo.org/record/3966543"

    level: str = "coarse"
    votes: int = 1

    def annotations(self) -> Annotations:
        """Read the table.

        Raises:
            InputError: If an option is invalid, or the table is missing or malformed.
        """
        if self.level not in LEVELS:
            raise InputError(f"dataset.level must be coarse or fine, got {self.level!r}.")
        if self.votes not in (1, 2, 3):
            raise InputError(f"dataset.votes must be 1, 2 or 3, got {self.votes}.")
        columns, uncertain = _columns(self.level)
        names = [*_COLUMNS, *columns.values(), *uncertain.values()]
        clips: dict[str, _Clip] = {}
        for line in read_table(self.folder / TABLE, names, self.get):
            split, annotator = self._place(line)
            name = line[1]["audio_filename"]
            clip = clips.setdefault(name, _Clip(split, [], []))
            if clip.split != split:
                raise InputError(
                    f"{line[0]}: {name} is in two splits, {clip.split} and {split}; {self.get}."
                )
            said = self._said(line, columns, uncertain)
            if annotator == 0:
                clip.verified.append(said)
            elif annotator > 0:
                clip.heard.append(said)
        return self._of(clips, tuple(columns))

    def _of(self, clips: Mapping[str, "_Clip"], classes: tuple[str, ...]) -> Annotations:
        left_out, paths, cells, splits = {}, [], [], []
        for name, clip in clips.items():
            path = f"audio/{name}"
            if not clip.verified and clip.split != "train":
                left_out[path] = "has no verified labels, and is not for training"
            elif not clip.verified and not clip.heard:
                left_out[path] = "was annotated by single members of the team alone"
            else:
                paths.append(path)
                splits.append(clip.split)
                cells.append(
                    _labels(clip.verified, 1) if clip.verified else _labels(clip.heard, self.votes)
                )
        table = np.array(cells, np.int64).reshape(len(paths), len(classes))
        return Annotations(
            classes=classes,
            paths=tuple(paths),
            y=(table == 1).astype(np.float32),
            mask=table >= 0,
            split=np.array(splits, dtype=str),
            left_out=left_out,
        )

    def _place(self, line: Line) -> tuple[str, int]:
        location, cells = line
        if cells["split"] not in SPLITS:
            raise InputError(
                f"{location} has split {cells['split']!r}, not one of {', '.join(SPLITS)}; "
                f"{self.get}."
            )
        try:
            return SPLITS[cells["split"]], int(cells["annotator_id"])
        except ValueError as error:
            raise InputError(
                f"{location} has annotator_id {cells['annotator_id']!r}, not a number; {self.get}."
            ) from error

    def _said(
        self, line: Line, columns: Mapping[str, str], uncertain: Mapping[str, str]
    ) -> NDArray[np.int64]:
        """Return 1, 0, -1 or `_DOUBTFUL` for each class, by one annotator, (C,)."""
        location, cells = line
        for column in (*columns.values(), *uncertain.values()):
            if cells[column] not in _VALUES:
                raise InputError(
                    f"{location} has {cells[column]!r} in {column}, not 1, 0 or -1; {self.get}."
                )
        said = np.array([int(cells[column]) for column in columns.values()])
        for index, name in enumerate(columns):
            if name in uncertain and cells[uncertain[name]] == "1" and said[index] == 0:
                said[index] = _DOUBTFUL
        return said


@dataclass
class _Clip:
    """Annotations of a recording, an array for each line: verified ones and volunteers' ones."""

    split: str
    verified: list[NDArray[np.int64]]
    heard: list[NDArray[np.int64]]


def _labels(lines: Sequence[NDArray[np.int64]], votes: int) -> NDArray[np.int64]:
    """Return 1, 0, or -1 for unobserved, for each class.

    A class that too few heard is absent, but unobserved if those who were in doubt about it could
    have made up the number.
    """
    said = np.stack(lines)  # (annotators, C)
    present, absent = (said == 1).sum(axis=0), (said == 0).sum(axis=0)
    doubtful = (said == _DOUBTFUL).sum(axis=0)
    unknown = (present + absent == 0) | (present + doubtful >= votes)
    return np.where(present >= votes, 1, np.where(unknown, -1, 0))


def _columns(level: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return the column of each class, and that of the uncertain class beside each fine one."""
    columns, uncertain = {}, {}
    for number, (coarse, fine) in enumerate(TAXONOMY.items(), start=1):
        if level == "coarse":
            columns[coarse] = f"{number}_{coarse}_presence"
            continue
        for index, name in enumerate(fine, start=1):
            columns[name] = f"{number}-{index}_{name}_presence"
            if coarse in UNCERTAIN:
                uncertain[name] = f"{number}-X_{UNCERTAIN[coarse]}_presence"
    return columns, uncertain


def main(arguments: Sequence[str] | None = None) -> int:
    """Show the content of a folder of SONYC-UST."""
    return corpus_command(SonycUST, arguments)


if __name__ == "__main__":
    sys.exit(main())
