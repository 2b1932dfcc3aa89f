"""Instances of many files, computed once, in parallel, and stored as one memory-mapped array."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musicssl.audio.decode import read_audio
from musicssl.audio.earlier_instances import Outcome, earlier_instances, note
from musicssl.audio.files import file_identities
from musicssl.audio.full_scale import warn_beyond_full_scale
from musicssl.audio.inspection import decoding, inspect
from musicssl.audio.instance_features import InstanceFeatures
from musicssl.audio.parallel import in_parallel
from musicssl.audio.unreadable import UnreadableAudioError
from musicssl.cache import build_checked, fingerprint, new_array
from musicssl.errors import InputError

_CHUNK = 16  # files that a worker takes at a time


@dataclass(frozen=True, eq=False)
class InstanceStore:
    """The instances of N files, and the files without any.

    Attributes:
        clip_ids: Path of each file relative to the root, with `/`, (N).
        x: Instances, (N, T, F), padded with zeros to the longest clip; a read-only memory map.
        lengths: Number of valid instances of each clip, (N,).
        unreadable: Path and fault of every file that could not be used.
        folder: Folder of the store.
    """

    clip_ids: tuple[str, ...]
    x: NDArray[np.float32]
    lengths: NDArray[np.int64]
    unreadable: dict[str, str]
    folder: Path


def instance_store(
    root: Path,
    clip_ids: Sequence[str],
    features: InstanceFeatures,
    cache: Path,
    name: str,
    max_seconds: float | None = None,
    num_workers: int = -1,
) -> InstanceStore:
    """Open the store of instances of some files; compute it first if there is none.

    The name of its folder is a fingerprint of the feature settings and of the path, size and
    modification time of every file, so a new store is made only if one of these changes. It copies
    the instances of files that did not change from earlier stores of the same root. Memory is
    bounded by a few clips for each worker, whatever the number of files.

    Args:
        root: Folder of the files.
        clip_ids: Their paths relative to `root`, with `/`.
        features: Computes the instances.
        cache: Folder of all stores.
        name: Name of the corpus, the first part of the folder's name.
        max_seconds: Use only this much from the start of each file; None for all of it.
        num_workers: Number of processes that decode; -1 for one per core.

    Raises:
        InputError: If none of the files can be read.
    """
    settings = {
        "decoding": decoding(clip_ids),
        "features": features.settings(),
        "max_seconds": max_seconds,
        "files": file_identities(root, clip_ids),
    }

    made_of = {"features": features.settings(), "max_seconds": max_seconds}
    decode = partial(_decode, root=root, features=features, max_seconds=max_seconds)

    def build(folder: Path) -> None:
        earlier = earlier_instances(cache, name, root, clip_ids, made_of)
        others = [clip_id for clip_id in clip_ids if clip_id not in earlier]
        decoded = in_parallel(decode, others, num_workers, "decoding audio", _CHUNK)
        _write(folder, _merged(clip_ids, earlier, decoded), root, features.num_features)
        note(folder, root, clip_ids, made_of)

    folder = build_checked(cache / f"{name}-{fingerprint(settings)}", build)
    index = json.loads((folder / "index.json").read_text())
    warn_beyond_full_scale(index["peaks"])
    return InstanceStore(
        clip_ids=tuple(index["lengths"]),
        x=np.load(folder / "x.npy", mmap_mode="r"),
        lengths=np.array(list(index["lengths"].values()), np.int64),
        unreadable=index["unreadable"],
        folder=folder,
    )


def _write(
    folder: Path, outcomes: Iterator[tuple[str, Outcome]], root: Path, num_features: int
) -> None:
    """Write the instances of all files, and which files they are of.

    Raises:
        InputError: If there are none.
    """
    lengths, peaks, unreadable = _write_ragged(folder / "ragged.f32", outcomes)
    if not lengths:
        first, cause = next(iter(unreadable.items()))
        raise InputError(
            f"none of the {len(unreadable)} audio files under {root} can be used: {first} {cause}; "
            "point data.root at a folder of sound recordings."
        )
    _pad(folder / "ragged.f32", folder / "x.npy", list(lengths.values()), num_features)
    index = {"lengths": lengths, "peaks": peaks, "unreadable": unreadable}
    (folder / "index.json").write_text(json.dumps(index, indent=1))


def _decode(
    clip_id: str, root: Path, features: InstanceFeatures, max_seconds: float | None
) -> Outcome:
    """Return a file's instances and peak, or its fault, so that other files go on."""
    path = root / clip_id
    try:
        instances = features(read_audio(path, features.sample_rate, max_seconds))
        return instances, inspect(path).peak
    except UnreadableAudioError as error:
        return error.cause
    except InputError as error:  # from the features: the clip is empty
        return f"has no instance: {str(error).rstrip('.')}"


def _merged(
    clip_ids: Sequence[str],
    earlier: Mapping[str, Outcome],
    decoded: Iterator[tuple[str, Outcome]],
) -> Iterator[tuple[str, Outcome]]:
    """Yield each file with its outcome, in order; those that are not there already are decoded."""
    for clip_id in clip_ids:
        yield (clip_id, earlier[clip_id]) if clip_id in earlier else next(decoded)
    yield from decoded  # nothing is left; it ends the progress bar


def _write_ragged(
    path: Path, outcomes: Iterator[tuple[str, Outcome]]
) -> tuple[dict[str, int], dict[str, float], dict[str, str]]:
    """Append the instances of each clip to a file; return lengths, peaks and faults."""
    lengths: dict[str, int] = {}
    peaks: dict[str, float] = {}
    unreadable: dict[str, str] = {}
    with path.open("wb") as file:
        for clip_id, outcome in outcomes:
            if isinstance(outcome, str):
                unreadable[clip_id] = outcome
                continue
            instances, peak = outcome
            file.write(instances.tobytes())
            lengths[clip_id] = len(instances)
            if peak:
                peaks[clip_id] = peak
    return lengths, peaks, unreadable


def _pad(ragged: Path, padded: Path, lengths: Sequence[int], num_features: int) -> None:
    """Turn the ragged file into an array (N, T, F); T is the length of the longest clip."""
    shape = (len(lengths), max(lengths), num_features)
    x = new_array(padded, np.float32, shape)
    with ragged.open("rb") as file:
        for row, length in enumerate(lengths):
            flat = np.fromfile(file, np.float32, length * num_features)
            x[row, :length] = flat.reshape(length, num_features)
    x.flush()
    ragged.unlink()
