"""A corpus in memory, the form in which all dataset modules return their clips and labels."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from musicssl.audio.sound import Sound
from musicssl.cache import fingerprint
from musicssl.errors import InputError

SPLITS = ("train", "val", "test")
_CHUNK = 1024  # clips at a time


@dataclass(frozen=True, eq=False)
class Corpus:
    """N clips, each T instances with F features, sound, or tokens, and their labels for C classes.

    Attributes:
        name: The word typed after `dataset=`.
        classes: The name of each class, in column order, (C).
        x: Instances, (N, T, F) float32, an array or a memory map; or the sound of the clips; or
            tokens, (N, T) of any integers, numbers from 0 up of what is in `tokens`.
        y: Targets in [0, 1], or any real numbers in a regression, (N, C) float32; arbitrary where
            `mask` is False.
        mask: True where a target was observed, (N, C) bool.
        split: "train", "val" or "test" for each clip, (N,) str. If a corpus has no "val" clips, its
            validation set is carved out of "train" by `musicssl.data.splits`.
        clip_ids: A unique name of each clip, (N,) str.
        lengths: Valid instances of each clip, (N,) int64, or None if all T are valid; None for
            sound, which stores its own lengths.
        groups: Group of each clip, such as its artist or song, (N,) str, or None. A split never
            divides a group.
        activity: True where a class sounds in a label frame, (N, T, C) bool, or None if the corpus
            has no labels in time.
        instance_seconds: Time from the start of an instance to that of the next one, and duration
            of a label frame of `activity`, in seconds; the duration of an instance, unless they
            overlap.
        task: Kind of the targets: "multi_label" (each class present or absent), "multi_class" (one
            class of each clip is present) or "regression" (any real numbers).
        sources: Name of the recording that each clip comes from, (N,) str, the same in all corpora
            that hold the recording; None if unknown.
        credit: Credit for the answer i where class j is right, (C, C) float32, if an answer can be
            partly right.
        tokens: The name of each token, in the order of their numbers; empty if clips are none.
        pitches: MIDI number of each clip's note, (N,) int64, 0 to 127; None if clips are not single
            notes.
        redistributable: Whether anybody may pass the sound on, so that pages with results may hold
            clips of it.
    """

    name: str
    classes: tuple[str, ...]
    x: NDArray[np.float32] | NDArray[np.integer] | Sound
    y: NDArray[np.float32]
    mask: NDArray[np.bool_]
    split: NDArray[np.str_]
    clip_ids: NDArray[np.str_]
    lengths: NDArray[np.int64] | None = None
    groups: NDArray[np.str_] | None = None
    activity: NDArray[np.bool_] | None = None
    instance_seconds: float = 1.0
    task: str = "multi_label"
    credit: NDArray[np.float32] | None = None
    sources: NDArray[np.str_] | None = None
    tokens: tuple[str, ...] = ()
    pitches: NDArray[np.int64] | None = None
    redistributable: bool = False

    @property
    def is_sound(self) -> bool:
        """Whether the clips are sound instead of instances or tokens."""
        return not isinstance(self.x, np.ndarray)

    @property
    def is_tokens(self) -> bool:
        """Whether the clips are rows of tokens."""
        return len(self.tokens) > 0

    @property
    def has_activity(self) -> bool:
        """Whether there are labels in time."""
        return self.activity is not None

    @property
    def instances(self) -> NDArray[np.float32]:
        """The instances of all clips, (N, T, F).

        Raises:
            TypeError: If the clips are sound or tokens.
        """
        if not isinstance(self.x, np.ndarray) or self.is_tokens:
            kind = "tokens" if self.is_tokens else "sound"
            raise TypeError(f"the clips of {self.name} are {kind}, not instances")
        return cast(NDArray[np.float32], self.x)

    @property
    def token_rows(self) -> NDArray[np.integer]:
        """The tokens of all clips, (N, T).

        Raises:
            TypeError: If the clips are not tokens.
        """
        if not isinstance(self.x, np.ndarray) or not self.is_tokens:
            raise TypeError(f"the clips of {self.name} are no tokens")
        return cast(NDArray[np.integer], self.x)

    @property
    def sound(self) -> Sound:
        """The sound of all clips.

        Raises:
            TypeError: If the clips are instances.
        """
        if isinstance(self.x, np.ndarray):
            raise TypeError(f"the clips of {self.name} are instances, not sound")
        return self.x

    @property
    def sample_rate(self) -> int | None:
        """Sample rate of sound, in Hz; None for instances."""
        return self.sound.sample_rate if self.is_sound else None

    @property
    def num_features(self) -> int | None:
        """Features of an instance, F; None for sound and tokens."""
        return None if self.is_sound or self.is_tokens else int(self.instances.shape[2])

    def clip_identity(self) -> dict[str, Any]:
        """Return values that identify the clips and their input, in a form that JSON can hold.

        Labels and splits are not part of it, because features and embeddings do not depend on
        them. Instances are read once, sound is not read.

        Returns:
            The name of the corpus and a hash of the names of the clips; for instances also hashes
            of `x` and `lengths`, for sound its fingerprint and its sample rate in Hz.
        """
        names = "\n".join(self.clip_ids.tolist())
        identity = {"name": self.name, "clip_ids": hashlib.sha256(names.encode()).hexdigest()}
        if self.is_sound:
            sound = self.sound
            return identity | {"sound": sound.fingerprint, "sample_rate": sound.sample_rate}
        lengths = None if self.lengths is None else _hash_of(self.lengths)
        return identity | {"x": _hash_of(self._array), "lengths": lengths}

    def identity(self) -> dict[str, str]:
        """Hash all that a run on this corpus follows from, in parts that can be compared.

        Files may be copied and saved again: their places and times do not count. Samples of sound
        are compared where that is cheap, in a clip store, and by size and length in other files.

        Returns:
            Hashes of "clips" (their names, in order), "labels" (targets, mask, classes, activity),
            "splits" (with groups) and "features" of the clips, or "recordings" with their lengths;
            of single notes also "pitches".
        """
        y = np.where(self.mask, self.y, 0)
        names = json.dumps([self.classes, self.task, self.instance_seconds])
        labels = [y, self.mask, self.activity, self.credit, names]
        parts = {
            "clips": _hash_of_all([self.clip_ids]),
            "labels": _hash_of_all(labels),
            "splits": _hash_of_all([self.split, self.groups]),
        }
        if self.pitches is not None:
            parts["pitches"] = _hash_of(self.pitches)
        if not self.is_sound:
            named = [json.dumps(self.tokens)] if self.is_tokens else []
            return parts | {"features": _hash_of_all([self._array, self.lengths, *named])}
        kind, content = self.sound.content()
        lengths = _hash_of_all([self.sound.lengths, str(self.sample_rate)])
        return parts | {"recordings": lengths, f"recordings in {kind}": content}

    @property
    def _array(self) -> NDArray[Any]:
        """The instances or the tokens."""
        return self.token_rows if self.is_tokens else self.instances

    def indices(self, split: str) -> NDArray[np.int64]:
        """Return the rows of the clips of one split, ascending."""
        return np.flatnonzero(self.split == split)


class Dataset(Protocol):
    """Interface of the corpora in `musicssl.datasets`, which read files and know no method.

    A corpus that takes long to prepare also has `outline`; see `musicssl.data.outline.Outlined`.
    """

    def prepare(self) -> None:
        """Derive features or a clip store from the files and cache them, once, with progress."""

    def load(self) -> Corpus:
        """Read the corpus; cheap after `prepare`."""

    def audio(self, clip_id: str) -> tuple[NDArray[np.float32], int]:
        """Return the sound of one clip, (S,) mono in [-1, 1], and its sample rate in Hz.

        Raises:
            InputError: If there is no recording; pictures then show the features.
        """


def _hash_of(array: NDArray[Any]) -> str:
    """Return the SHA-256 of an array; a memory map is read a few clips at a time."""
    digest = hashlib.sha256(f"{array.dtype.str} {array.shape}".encode())
    for start in range(0, len(array), _CHUNK):
        digest.update(array[start : start + _CHUNK].tobytes())
    return digest.hexdigest()


def _hash_of_all(parts: Sequence[NDArray[Any] | str | None]) -> str:
    """Return one hash of arrays and texts; that a part is missing counts too."""
    digests = [
        _hash_of(part) if isinstance(part, np.ndarray) else fingerprint({"": part})
        for part in parts
    ]
    return fingerprint({"": digests})


class InMemory:
    """Base of a `Dataset` that is made in memory: it caches nothing and has no recordings.

    A subclass defines `load`; one that can make the sound of its clips overrides `audio`.
    """

    def prepare(self) -> None:
        """Do nothing: there is nothing to prepare."""

    def audio(self, clip_id: str) -> tuple[NDArray[np.float32], int]:
        """Refuse, because there is no recording.

        Raises:
            InputError: Always.
        """
        raise InputError(f"{clip_id}: the clips of this corpus have no recordings.")


@dataclass(frozen=True, eq=False)
class LoadedCorpus(InMemory):
    """A `Dataset` around a corpus in memory.

    Attributes:
        corpus: The corpus that `load` returns.
    """

    corpus: Corpus

    def load(self) -> Corpus:
        """Return the corpus."""
        return self.corpus


def embedded_corpus(corpus: Corpus, h: NDArray[np.float32]) -> Corpus:
    """Return the same clips with embeddings as input, one instance each.

    Nothing is copied. `activity` is left out, because an embedding describes a whole clip.

    Args:
        corpus: A corpus of instances, of sound or of tokens.
        h: The embeddings of its clips, (N, D), in the same order.
    """
    return replace(corpus, x=h[:, None, :], lengths=None, activity=None, tokens=())
