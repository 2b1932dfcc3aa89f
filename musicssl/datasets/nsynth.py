"""NSynth: the pitch of a single note, or its family of instruments.

Engel et al., ICML 2017; https://magenta.tensorflow.org/datasets/nsynth (CC BY 4.0). 305,979 notes
of 4 s, 16 kHz mono, of 1,006 instruments: 289,205 for training, 12,678 for validation, 4,096 for
testing. The instruments of the training split are not in the others. The folder, as the three
archives of JSON and WAV files unpack into it:

    nsynth-train/examples.json           note -> pitch, instrument, family, source, velocity ...
    nsynth-train/audio/bass_synthetic_068-049-025.wav
    nsynth-valid/...  nsynth-test/...

- Pitch: MIDI numbers. The paper says 21 to 108, but there are notes outside of that range (magenta
  issue 1143); the classes are the 112 numbers from 9 to 120, the range that MARBLE states. 0 to 127
  would have sixteen classes without a note. Six classes (109, 111, 112, 114, 117, 120) have no note
  in the test set.
- Family: eleven, in the order of their numbers in the files. The test set has no synth_lead, so a
  mean over classes is one over ten there; accuracy, the usual metric, is not affected.

About 71 test notes of brass_acoustic_046 contain noise instead of a tone (magenta issue 2092). They
are kept, since published results include them.

The files of notes are read in chunks, so that memory holds only the needed fields of each note.
"""

import json
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from musicssl.datasets.base.annotations import Annotations, one_hot
from musicssl.datasets.base.command import corpus_command
from musicssl.datasets.base.recordings import Recordings
from musicssl.datasets.formats.tables import annotation_file
from musicssl.errors import InputError

FAMILIES = (
    "bass",
    "brass",
    "flute",
    "guitar",
    "keyboard",
    "mallet",
    "organ",
    "reed",
    "string",
    "synth_lead",
    "vocal",
)
LOWEST_PITCH, HIGHEST_PITCH = 9, 120  # MIDI numbers
PITCHES = tuple(str(pitch) for pitch in range(LOWEST_PITCH, HIGHEST_PITCH + 1))
TARGETS = {"pitch": PITCHES, "family": FAMILIES}
PARTS = {"train": "nsynth-train", "val": "nsynth-valid", "test": "nsynth-test"}

_CHUNK = 1 << 20  # characters read at a time; an entry has less than a thousand
_MEMBER = re.compile(r'\s*[{,]\s*"([^"\\]+)"\s*:\s*(\{[^{}]*\})')  # name and entry, a flat object
_decode = json.JSONDecoder().raw_decode


@dataclass(frozen=True)
class NSynth(Recordings):
    """NSynth as its three archives of JSON and WAV files unpack.

    Attributes:
        target: "pitch" or "family".
    """

    name = "nsynth"
    folders = ("nsynth", "NSynth")
    marks = tuple(PARTS.values())
    get = (
        "download nsynth-{train,valid,test}.jsonwav.tar.gz (25 GB) from "
        "https://magenta.tensorflow.org/datasets/nsynth and unpack them side by side"
    )

    target: str = "pitch"

    def annotations(self) -> Annotations:
        """Read the notes of all three splits.

        Raises:
            InputError: If the target is unknown, or a file of notes is missing or malformed.
        """
        if self.target not in TARGETS:
            raise InputError(f"dataset.target must be {' or '.join(TARGETS)}, got {self.target!r}.")
        folder, classes = self.folder, TARGETS[self.target]
        paths: list[str] = []
        targets: list[str] = []
        pitches: list[int] = []
        instruments: list[str] = []
        splits: list[str] = []
        for split, part in PARTS.items():
            for note in read_notes(folder / part / "examples.json", self.get):
                paths.append(f"{part}/audio/{note.name}.wav")
                targets.append(note.pitch if self.target == "pitch" else note.family)
                pitches.append(int(note.pitch))
                instruments.append(note.instrument)
                splits.append(split)
        y = one_hot(targets, classes)
        return Annotations(
            classes=classes,
            paths=tuple(paths),
            y=y,
            mask=np.ones(y.shape, np.bool_),
            split=np.array(splits),
            task="multi_class",
            groups=np.array(instruments),
            pitches=np.array(pitches, np.int64),
        )


class Note(NamedTuple):
    """The needed fields of an entry of examples.json.

    Attributes:
        name: Name of the note and of its file.
        instrument: One of 1,006 instruments.
        pitch: One of `PITCHES`.
        family: One of `FAMILIES`.
    """

    name: str
    instrument: str
    pitch: str
    family: str


def read_notes(path: Path, get: str) -> Iterator[Note]:
    """Read an examples.json file note by note, with only a chunk of it in memory.

    Args:
        path: The file.
        get: How to get the corpus, a clause for the end of a message.

    Raises:
        InputError: If the file is missing or damaged, or an entry is not a note.
    """
    with annotation_file(path, get) as file:
        rest = ""
        while chunk := file.read(_CHUNK):
            rest += chunk
            end = 0
            while member := _MEMBER.match(rest, end):
                yield _note(member[1], member[2], path, get)
                end = member.end()
            rest = rest[end:]
            if len(rest) > _CHUNK:  # longer than any entry, so that more text would not help
                break
    if rest.strip() != "}":
        end_of_notes = f"before {rest.strip()[:40]!r}" if rest.strip() else "without closing brace"
        raise InputError(f"{path} is damaged: its notes end {end_of_notes}; {get}.")


def _note(name: str, text: str, path: Path, get: str) -> Note:
    """Parse an entry."""
    try:
        entry, _ = _decode(text)  # json.loads takes twice as long for short texts
        pitch = str(entry["pitch"])
        instrument, family = entry["instrument_str"], entry["instrument_family_str"]
    except (ValueError, KeyError, RecursionError) as error:
        raise InputError(f"{path} is damaged at the note {name!r} ({error!r}); {get}.") from error
    if not isinstance(instrument, str):
        raise InputError(
            f"{path} has {instrument!r} in place of a name of the instrument of {name!r}; {get}."
        )
    for value, choices in ((pitch, PITCHES), (family, FAMILIES)):
        if value not in choices:
            raise InputError(
                f"{path} has {value!r} as pitch or family of the note {name!r}, but pitches are "
                f"from {LOWEST_PITCH} to {HIGHEST_PITCH} and families are {', '.join(FAMILIES)}; "
                f"{get}."
            )
    return Note(name, instrument, pitch, family)


def main(arguments: Sequence[str] | None = None) -> int:
    """Show the content of a folder of NSynth."""
    return corpus_command(NSynth, arguments)


if __name__ == "__main__":
    sys.exit(main())
