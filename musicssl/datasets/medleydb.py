"""MedleyDB: multitracks, as stems of one instrument each or as mixes of several.

Bittner et al., ISMIR 2014, and MedleyDB 2.0, 2016: 122 songs (V1) and 74 (V2), 1,284 stems, WAV at
44.1 kHz; audio and annotations CC BY-NC-SA 4.0. There are two tasks, set by `what`:

* "stems": the instrument of a stem, one of twenty. A stem is silent while its instrument does not
  play, and so may be a crop of it. The twenty are the most frequent stem labels that name an
  instrument, 888 stems; all others are left out, including `EXCLUDED`.
* "mixes": the instruments in a mix, any of the twenty; with `activity` also for each second.

The audio is in one of these layouts, with `{song}/{song}_MIX.wav` and
`{song}/{song}_STEMS/{song}_STEM_01.wav` in each:

    MedleyDB/Audio/                                    $MEDLEYDB_PATH of the authors' tools
    MedleyDB/V1/, MedleyDB/V2/
    MedleyDB_V1/V1/, MedleyDB_V2/V2/                   side by side in the root

The annotations are those of the authors' repository, cloned into or beside that folder (or set
`metadata` to its folder):

    medleydb/medleydb/resources/tracklist_v1.txt       the songs of a version; also v2
    medleydb/medleydb/data/Metadata/{song}_METADATA.yaml
    medleydb/medleydb/data/Annotations/Activation_Confidence/{original,v2}/
    medleydb/medleydb/data/Annotations/Source_ID/{song}_SOURCEID.lab

There is no official split. The songs of an artist are kept together; the artist is the first part
of a song's name (the metadata spells some artists in two ways). SHA-1 of `SPLIT_SALT` and that part
chooses two artists in ten for testing, 33 songs, and the data module draws validation clips from
the others. The number in the salt is the first one with at least a twentieth of the stems of every
class in the test split and at least half in training. Papers that split stems at random have songs
in both splits; their results are not comparable.

Activity: the files give the confidence of each stem's activity every 46 ms; an instrument is active
in a second if one of its stems reaches `threshold` in any frame of it. "original" and "v2" are two
runs of the authors' estimator and differ; neither covers every song. "source_id" is their list of
intervals, V1 only; in the three songs compared it equals "original" and "v2" at 0.5, to the second.
Mixes without the chosen file are left out, and listed.

Known faults: `has_bleed` is the text 'yes' or 'no' (80 songs bleed: 28 of V1, 52 of V2), and the
authors' errata name six stems with bleed in songs that are not marked (`BLEEDING_STEMS`);
`bleed="leave_out"` drops both, and with them all test stems of flute, cello, clarinet, tabla, tenor
saxophone and viola. "Main System", in 45 songs, has unspecified content, most likely the whole
ensemble; in a mix with a stem of `UNNAMED` content absent instruments are unobserved, since that
stem may contain them (69 mixes). In two songs (EthanHein_GirlOnABridge,
JoelHelander_IntheAtticBedroom) Source_ID names an instrument without a stem; those intervals are
skipped.

Download: request the audio at https://medleydb.weebly.com (V1 and V2 are on Zenodo, on request) and
clone https://github.com/marl/medleydb beside it.

`python -m musicssl.datasets.medleydb --root DIR` shows the content.
"""

import hashlib
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from musicssl.audio.files import exists
from musicssl.datasets.base.annotations import Annotations, one_hot
from musicssl.datasets.base.command import corpus_command
from musicssl.datasets.base.recordings import Recordings
from musicssl.datasets.formats.activity import (
    Activity,
    activity_of_frames,
    activity_of_intervals,
    read_confidences,
    read_intervals,
    stacked,
)
from musicssl.datasets.formats.tables import annotation_text
from musicssl.documents import load_yaml
from musicssl.errors import InputError

CLASSES = (  # by number of stems in V1 and V2, most first; ties by name
    "drum set",
    "electric bass",
    "clean electric guitar",
    "piano",
    "male singer",
    "distorted electric guitar",
    "synthesizer",
    "female singer",
    "violin",
    "acoustic guitar",
    "double bass",
    "vocalists",
    "violin section",
    "flute",
    "cello",
    "drum machine",
    "clarinet",
    "tabla",
    "tenor saxophone",
    "viola",
)
_COLUMN_OF = {name: column for column, name in enumerate(CLASSES)}
UNNAMED = ("Main System", "Unlabeled", "fx/processed sound")  # labels of unspecified content
EXCLUDED = (*UNNAMED, "auxiliary percussion")  # frequent labels that name no instrument
BLEEDING_STEMS = (
    "BrandonWebster_DontHearAThing_STEM_02.wav",
    "ClaraBerryAndWooldog_Boys_STEM_01.wav",
    "ClaraBerryAndWooldog_Boys_STEM_05.wav",
    "LizNelson_ImComingHome_STEM_02.wav",
    "Lushlife_ToynbeeSuite_STEM_12.wav",
    "TheScarletBrand_LesFleursDuMal_STEM_08.wav",
)
VERSIONS = {"v1": ("v1",), "v2": ("v2",), "all": ("v1", "v2")}
AUDIO_FOLDERS = ("Audio", "V1", "V2", "MedleyDB_V1/V1", "MedleyDB_V2/V2")
SPLIT_SALT = "medleydb-17:"
ACTIVITY_SECONDS = 1.0
_CHOICES = {
    "what": ("stems", "mixes"),
    "versions": tuple(VERSIONS),
    "bleed": ("keep", "leave_out"),
    "activity": ("none", "original", "v2", "source_id"),
}
_REPOSITORY = "https://github.com/marl/medleydb"
_CURE = f"get the annotations again from {_REPOSITORY}"


@dataclass(frozen=True)
class MedleyDB(Recordings):
    """Instruments of stems, or of mixes.

    Attributes:
        what: Clips are "stems" (one class each) or "mixes" (several).
        versions: Songs of "v1", "v2" or "all". V2 alone has no training clips of drum machine and
            tabla, so it is useful only as a second corpus.
        bleed: "keep" songs whose stems bleed into each other, or "leave_out".
        activity: Annotation of the activity of instruments in a mix: confidences, "original" or
            "v2", intervals, "source_id", or "none".
        threshold: Smallest confidence of an active stem.
        metadata: Folder of the authors' repository; None to search in and beside the corpus.
    """

    name: ClassVar[str] = "medleydb"
    folders: ClassVar[Sequence[str]] = ("MedleyDB", "MedleyDB_sample")
    marks: ClassVar[Sequence[str]] = ("Audio", "V1", "V2", "MedleyDB_V1", "MedleyDB_V2")
    get: ClassVar[str] = (
        f"request the audio at https://medleydb.weebly.com and clone {_REPOSITORY} beside it"
    )

    what: str = "stems"
    versions: str = "all"
    bleed: str = "keep"
    activity: str = "none"
    threshold: float = 0.5
    metadata: str | None = None

    def annotations(self) -> Annotations:
        """Read the metadata of all songs, and the activity of their instruments.

        Raises:
            InputError: If an option is invalid, the repository is not found, or a file in it is
                missing or malformed.
        """
        self._check_options()
        songs = self._songs()
        return _of_stems(songs, self.bleed) if self.what == "stems" else self._of_mixes(songs)

    def _check_options(self) -> None:
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise InputError(
                    f"dataset.{name} must be one of {', '.join(choices)}, "
                    f"got {getattr(self, name)!r}."
                )
        if self.what == "stems" and self.activity != "none":
            raise InputError(
                "only mixes have activity; set dataset.what=mixes or dataset.activity=none."
            )
        if not 0 < self.threshold < 1:
            raise InputError(
                f"dataset.threshold must be above 0 and below 1, got {self.threshold:g}."
            )

    def _songs(self) -> list["_Song"]:
        package, folder_of = self._package, _song_folders(self.folder)
        names = [
            name
            for version in VERSIONS[self.versions]
            for name in annotation_text(
                package / "resources" / f"tracklist_{version}.txt", _CURE
            ).split()
        ]
        default = next((base for base in AUDIO_FOLDERS if (self.folder / base).is_dir()), "Audio")
        return [
            _read_song(package, name, folder_of.get(name, f"{default}/{name}")) for name in names
        ]

    @property
    def _package(self) -> Path:
        """The folder `medleydb` of the repository, with `data` and `resources`."""
        folder = self.folder
        if self.metadata is None:
            bases = [parent / "medleydb" for parent in (folder, folder.parent)]
        else:
            bases = [Path(self.metadata).expanduser()]
        for package in (path for base in bases for path in (base, base / "medleydb", base.parent)):
            if (package / "data" / "Metadata").is_dir():
                return package
        raise InputError(
            f"no data/Metadata of {_REPOSITORY} is in {' or '.join(map(str, bases))}; "
            "clone it there, or set its folder with dataset.metadata=DIR."
        )

    def _of_mixes(self, songs: Sequence["_Song"]) -> Annotations:
        left_out = {
            song.mix: fault for song in songs if (fault := self._fault_of_mix(song)) is not None
        }
        used = [song for song in songs if song.mix not in left_out]
        if not used:
            raise InputError(
                f"no mix of medleydb is left with dataset.activity={self.activity} and "
                f"dataset.bleed={self.bleed}; {_CURE}, or choose other values."
            )
        y = np.array([song.instruments for song in used], np.float32)  # (N, C)
        named = np.array([song.all_named for song in used])
        return Annotations(
            classes=CLASSES,
            paths=tuple(song.mix for song in used),
            y=y,
            mask=named[:, None] | (y > 0),
            split=_splits(used),
            groups=np.array([song.artist for song in used]),
            activity=None if self.activity == "none" else stacked([*map(self._activity, used)]),
            activity_seconds=ACTIVITY_SECONDS,
            left_out=left_out,
        )

    def _fault_of_mix(self, song: "_Song") -> str | None:
        if self.bleed == "leave_out" and song.has_bleed:
            return "has stems that bleed"
        if self.activity != "none" and not exists(self._activity_file(song)):
            return f"has no activity annotation of the kind {self.activity}"
        return None

    def _activity_file(self, song: "_Song") -> Path:
        annotations = self._package / "data" / "Annotations"
        if self.activity == "source_id":
            return annotations / "Source_ID" / f"{song.name}_SOURCEID.lab"
        confidences = annotations / "Activation_Confidence" / self.activity
        return confidences / f"{song.name}_ACTIVATION_CONF.lab"

    def _activity(self, song: "_Song") -> Activity:
        """Return the activity of classes in each second of a mix, (T, C)."""
        file = self._activity_file(song)
        if self.activity == "source_id":
            named = {stem.instrument for stem in song.stems}
            column_of = {name: column for name, column in _COLUMN_OF.items() if name in named}
            intervals = read_intervals(file, column_of, _CURE)
            return activity_of_intervals(intervals, len(CLASSES), ACTIVITY_SECONDS)
        column_of_stem = {stem.number: _COLUMN_OF.get(stem.instrument) for stem in song.stems}
        frames = read_confidences(file, column_of_stem, len(CLASSES), self.threshold, _CURE)
        return activity_of_frames(*frames, ACTIVITY_SECONDS)


class _Stem(NamedTuple):
    number: str
    path: str
    instrument: str


class _Song(NamedTuple):
    name: str
    mix: str
    has_bleed: bool
    stems: tuple[_Stem, ...]

    @property
    def artist(self) -> str:
        return self.name.partition("_")[0]

    @property
    def instruments(self) -> list[bool]:
        """Whether any stem is of the class, (C)."""
        named = {stem.instrument for stem in self.stems}
        return [name in named for name in CLASSES]

    @property
    def all_named(self) -> bool:
        return not any(stem.instrument in UNNAMED for stem in self.stems)


def _song_folders(folder: Path) -> dict[str, str]:
    """Return the folder of each song, relative to the folder of the corpus."""
    return {
        song.name: f"{base}/{song.name}"
        for base in reversed(AUDIO_FOLDERS)  # of two folders of a song, the first one is used
        if (folder / base).is_dir()
        for song in (folder / base).iterdir()
    }


def _read_song(package: Path, name: str, folder: str) -> _Song:
    if not re.fullmatch(r"\w+", name):
        raise InputError(f"{package / 'resources'} lists {name!r}, which is no song; {_CURE}.")
    path = package / "data" / "Metadata" / f"{name}_METADATA.yaml"
    text = annotation_text(path, _CURE)
    try:
        song = load_yaml(text)
        stems = tuple(
            _Stem(number, f"{folder}/{song['stem_dir']}/{stem['filename']}", stem["instrument"])
            for number, stem in sorted(song["stems"].items())
        )
        mix, has_bleed = song["mix_filename"], song["has_bleed"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        cause = " ".join(str(error).split())
        raise InputError(f"{path} is malformed ({cause}); {_CURE}.") from error
    if has_bleed not in ("yes", "no"):
        raise InputError(f"{path}: has_bleed must be 'yes' or 'no', not {has_bleed!r}; {_CURE}.")
    for stem in stems:
        if not isinstance(stem.instrument, str):
            raise InputError(
                f"{path}: the instrument of {stem.number} must be one name, "
                f"not {stem.instrument!r}; {_CURE}."
            )
    return _Song(name, f"{folder}/{mix}", has_bleed == "yes", stems)


def _of_stems(songs: Sequence[_Song], bleed: str) -> Annotations:
    left_out, used = {}, []
    for song in songs:
        for stem in song.stems:
            fault = _fault_of_stem(song, stem, bleed)
            if fault is None:
                used.append((song, stem))
            else:
                left_out[stem.path] = fault
    y = one_hot([stem.instrument for _, stem in used], CLASSES)
    return Annotations(
        classes=CLASSES,
        paths=tuple(stem.path for _, stem in used),
        y=y,
        mask=np.ones(y.shape, np.bool_),
        split=_splits([song for song, _ in used]),
        task="multi_class",
        groups=np.array([song.artist for song, _ in used]),
        left_out=left_out,
    )


def _fault_of_stem(song: _Song, stem: _Stem, bleed: str) -> str | None:
    if stem.instrument in EXCLUDED:
        return f"is labelled {stem.instrument!r}, which names no instrument"
    if stem.instrument not in CLASSES:
        return f"is labelled {stem.instrument!r}, which is too rare to be a class"
    if bleed == "leave_out" and (song.has_bleed or Path(stem.path).name in BLEEDING_STEMS):
        return "bleeds"
    return None


def _splits(songs: Sequence[_Song]) -> NDArray[np.str_]:
    return np.array(["test" if _is_for_test(song.artist) else "train" for song in songs])


def _is_for_test(artist: str) -> bool:
    return int(hashlib.sha1(f"{SPLIT_SALT}{artist}".encode()).hexdigest(), 16) % 10 < 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Show the content of the folder of the corpus, or prepare it."""
    return corpus_command(MedleyDB, arguments)


if __name__ == "__main__":
    sys.exit(main())
