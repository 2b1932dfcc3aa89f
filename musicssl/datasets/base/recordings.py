"""The base class of a corpus of recordings: annotation and audio files in one folder.

A module in `musicssl.datasets` reads the annotation files of its corpus. Everything else is the
same for all corpora and done here: check which files exist and are readable, and make a `Corpus` of
them, with instances or with sound.
"""

import logging
import shlex
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from math import ceil
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from musicssl.audio.decode import read_audio
from musicssl.audio.file_stores import file_store, find_file_store
from musicssl.audio.files import exists
from musicssl.audio.instance_features import InstanceFeatures
from musicssl.audio.instances import instance_store
from musicssl.audio.log_mel import LogMel
from musicssl.audio.sound import Sound
from musicssl.audio.sound_files import SoundFiles, sound_files
from musicssl.audio.store import ClipStore
from musicssl.audio.unreadable import printable_path
from musicssl.audio.waveform import Waveform
from musicssl.data.corpus import Corpus
from musicssl.data.outline import Outline, Targets
from musicssl.datasets.base.annotations import Annotations
from musicssl.datasets.base.folder import corpus_folder
from musicssl.datasets.base.options import default_of, option_words
from musicssl.errors import InputError

_LONG_SECONDS = 30.0  # of a recording whose length is not known yet, for `Outline`
_SHOWN = 10  # names in a message; more are only counted
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recordings(ABC):
    """A corpus in the files of its authors.

    Attributes:
        root: The folder of the corpus, or its parent folder.
        features: Computes instances from recordings; with `Waveform` the corpus is one of sound.
        cache: Folder of derived data: instances, clip stores, lists of readable files.
        unreadable: How to treat annotated files that are missing, cannot be decoded or are too
            short: "error" lists them and stops, "skip" leaves them out with a warning.
        max_seconds: Use only this much from the start of each recording, for instances; None for
            all of it.
        num_workers: Number of processes that decode; -1 for one per core.
    """

    name: ClassVar[str]
    folders: ClassVar[Sequence[str]] = ()
    marks: ClassVar[Sequence[str]] = ()
    get: ClassVar[str]

    root: str | Path | None
    features: InstanceFeatures | Waveform = field(default_factory=LogMel)
    cache: str | Path = "cache"
    unreadable: Literal["error", "skip"] = "error"
    max_seconds: float | None = None
    num_workers: int = -1

    @abstractmethod
    def annotations(self) -> Annotations:
        """Read the annotation files, without checking or decoding recordings."""

    @property
    def folder(self) -> Path:
        """The folder of the corpus.

        Raises:
            InputError: If it is not found.
        """
        return corpus_folder(self.root, self.name, self.folders, self.marks, self.get)

    def outline(self) -> Outline:
        """Read the annotations, without decoding recordings.

        Raises:
            InputError: See `load`, except for existing files that are unreadable.
        """
        annotations, missing = self.found
        if self.unreadable == "error":
            self._apply_policy(missing, len(annotations.paths) + len(missing))
        features, is_sound = self.features, isinstance(self.features, Waveform)
        hop = 1 / features.sample_rate if isinstance(features, Waveform) else features.hop_seconds
        paths, y, mask = np.array(annotations.paths), annotations.y, annotations.mask
        return Outline(
            name=self.name,
            task=annotations.task,
            num_features=None if isinstance(features, Waveform) else features.num_features,
            num_instances=max(1, ceil((self.max_seconds or _LONG_SECONDS) / hop)),
            classes=annotations.classes,
            sample_rate=features.sample_rate if is_sound else None,
            has_activity=annotations.activity is not None,
            targets=Targets(paths, y, mask, annotations.split == "train"),
        )

    def prepare(self) -> None:
        """Compute the instances unless they exist; sound needs no preparation.

        Raises:
            InputError: See `load`, except for existing files that are unreadable.
        """
        annotations, missing = self.found
        if self.unreadable == "error":  # before hours of decoding
            self._apply_policy(missing, len(annotations.paths) + len(missing))
        self._open(annotations.paths)

    def prepare_store(self) -> ClipStore:
        """Decode all recordings into a clip store, or resume that, and verify the store.

        Raises:
            InputError: See `load`; also if the store cannot be written or is damaged.
        """
        paths, rate = self.found.annotations.paths, self.features.sample_rate
        store = file_store(self.folder, paths, rate, self._cache, self.name, self.num_workers)
        store.verify()
        return store

    def load(self) -> Corpus:
        """Read the annotations and open the recordings.

        Raises:
            InputError: If root or an annotation file is missing or malformed, or a recording is
                missing or unreadable and the policy is "error".
        """
        annotations, missing = self.found
        opened = self._open(annotations.paths)
        self._apply_policy({**missing, **opened.unreadable}, len(annotations.paths) + len(missing))
        if isinstance(opened.x, SoundFiles):
            _log.info(
                "%s is read from its files; `%s` makes a clip store, from which crops are read "
                "many times faster.",
                self.name,
                self._prepare_command(),
            )
        row_of = {path: row for row, path in enumerate(annotations.paths)}
        used = annotations.select(np.array([row_of[path] for path in opened.clip_ids], np.int64))
        return Corpus(
            name=self.name,
            classes=used.classes,
            x=opened.x,
            y=used.y,
            mask=used.mask,
            split=used.split,
            clip_ids=np.array(used.paths),
            lengths=opened.lengths,
            groups=used.groups,
            activity=_activity_of_instances(used, opened),
            instance_seconds=opened.instance_seconds or used.activity_seconds,
            task=used.task,
            credit=used.credit,
            sources=self._sources(used),
            pitches=used.pitches,
        )

    def audio(self, clip_id: str) -> tuple[NDArray[np.float32], int]:
        """Decode one recording, (S,) mono; `clip_id` is its path in the corpus's folder."""
        rate = self.features.sample_rate
        return read_audio(self.folder / clip_id, rate, self.max_seconds), rate

    @cached_property
    def found(self) -> "Found":
        """The annotations of the recordings that exist, read once, and the missing recordings.

        Raises:
            InputError: If no recording exists, an annotation file is missing or malformed, or one
                names a path outside of the folder.
        """
        self._check_settings()
        annotations, folder = self.annotations(), self.folder
        if not annotations.paths:
            raise InputError(
                f"the annotations of {self.name} in {folder} name no recording; set data.root to "
                "the folder of the corpus."
            )
        outside = [path for path in annotations.paths if _leads_outside(path)]
        if outside:
            raise InputError(
                f"the annotations of {self.name} name {printable_path(outside[0])}, which is not "
                f"below {folder}; {self.get}."
            )
        there = np.array([exists(folder / path) for path in annotations.paths], np.bool_)
        if not there.any():
            raise InputError(
                f"none of the {len(there)} recordings that {self.name}'s annotations name is in "
                f"{folder}, not even {annotations.paths[0]}; put the audio there, or {self.get}."
            )
        missing = dict.fromkeys(_at(annotations.paths, ~there), "is missing")
        paths = annotations.paths
        named = np.array([path == path.encode(errors="replace").decode() for path in paths], bool)
        cause = "has a name that is not UTF-8; rename it"  # no table or journal could name it
        missing |= dict.fromkeys(_at(annotations.paths, there & ~named), cause)
        return Found(annotations.select(np.flatnonzero(there & named)), missing)

    def unreadable_files(self) -> dict[str, str]:
        """Return path and fault of the annotated files that cannot be used."""
        annotations, missing = self.found
        return {**missing, **self._open(annotations.paths).unreadable}

    @property
    def _cache(self) -> Path:
        return Path(self.cache).expanduser()

    def _prepare_command(self) -> str:
        """Return the command that makes a clip store of these recordings."""
        settings: dict[str, object] = {"root": self.root, "cache": self.cache}
        settings["sample_rate"] = self.features.sample_rate
        common = {option.name for option in fields(Recordings)}
        for option in fields(self):
            value = getattr(self, option.name)
            if option.name not in common and value != default_of(option):
                settings[option.name] = value
        command = ["python", "-m", f"musicssl.datasets.{self.name}", "--prepare"]
        return shlex.join([*command, *option_words(settings)])

    def _sources(self, annotations: Annotations) -> NDArray[np.str_]:
        if annotations.sources is not None:
            return annotations.sources
        folder = self.folder.resolve()
        return np.array([str(folder / path) for path in annotations.paths])

    def _check_settings(self) -> None:
        if self.unreadable not in ("error", "skip"):
            raise InputError(f"dataset.unreadable must be error or skip, got {self.unreadable!r}.")
        if self.max_seconds is not None and self.max_seconds <= 0:
            raise InputError(f"dataset.max_seconds must be positive, got {self.max_seconds:g}.")
        if self.max_seconds is not None and isinstance(self.features, Waveform):
            raise InputError(
                "dataset.max_seconds shortens instances only; sound is read in crops of "
                "data.crop_seconds, so leave it at null with features=waveform."
            )
        if self.num_workers == 0:
            raise InputError("dataset.num_workers must not be 0; -1 means one process per core.")

    def _open(self, paths: Sequence[str]) -> "_Opened":
        """Open the recordings as instances, computed if necessary, or as sound."""
        folder, features = self.folder, self.features
        if isinstance(features, Waveform):
            rate = features.sample_rate
            sound: ClipStore | SoundFiles | None = find_file_store(
                folder, paths, rate, self._cache, self.name
            )
            if sound is None:
                sound = sound_files(folder, paths, rate, self._cache, self.num_workers)
            return _Opened(sound.clip_ids, sound, sound.unreadable, sound.folder)
        store = instance_store(
            folder, paths, features, self._cache, self.name, self.max_seconds, self.num_workers
        )
        ragged = (store.lengths < store.x.shape[1]).any()
        return _Opened(
            store.clip_ids,
            store.x,
            store.unreadable,
            store.folder,
            lengths=store.lengths if ragged else None,
            instance_seconds=features.hop_seconds,
            are_tiles=features.are_tiles,
        )

    def _apply_policy(self, unusable: Mapping[str, str], count: int) -> None:
        """Raise an error, or log a warning, if there are files that cannot be used."""
        if not unusable:
            return
        listed = shortened([f"{printable_path(path)} {cause}" for path, cause in unusable.items()])
        summary = f"{len(unusable)} of {count} files under {self.folder} cannot be used"
        if self.unreadable == "error":
            raise InputError(
                f"{summary}: {listed}; repair or remove them, or leave them out with "
                "dataset.unreadable=skip."
            )
        _log.warning("%s and are skipped: %s", summary, listed)


class Found(NamedTuple):
    """The annotations of recordings that exist, and the missing recordings.

    Attributes:
        annotations: Annotations of the recordings that exist.
        missing: Path and fault of every other recording, and of those whose name is not UTF-8.
    """

    annotations: Annotations
    missing: dict[str, str]


@dataclass(frozen=True)
class _Opened:
    """Opened recordings in the form of a corpus: `x` and the clips that it belongs to."""

    clip_ids: Sequence[str]
    x: NDArray[np.float32] | Sound
    unreadable: Mapping[str, str]
    folder: Path
    lengths: NDArray[np.int64] | None = None
    instance_seconds: float | None = None
    are_tiles: bool = True


def _activity_of_instances(annotations: Annotations, opened: _Opened) -> NDArray[np.bool_] | None:
    """Return the activity with one stretch for each instance.

    None if instances are no such stretches: they overlap, or their duration is another.
    """
    activity, seconds = annotations.activity, opened.instance_seconds
    if activity is None or seconds is None:
        return activity
    if not opened.are_tiles or seconds != annotations.activity_seconds:
        return None
    assert isinstance(opened.x, np.ndarray)
    count = opened.x.shape[1]
    missing = max(0, count - activity.shape[1])
    return np.pad(activity, ((0, 0), (0, missing), (0, 0)))[:, :count]


def _leads_outside(path: str) -> bool:
    return path.startswith("/") or ".." in path.split("/")


def _at(paths: Sequence[str], chosen: NDArray[np.bool_]) -> list[str]:
    return [paths[row] for row in np.flatnonzero(chosen).tolist()]


def shortened(names: Sequence[str]) -> str:
    """Join names for a message: the first ten, and the number of the others."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
