"""Clip stores of files: they are found, and used again, by the files that they hold."""

import json
import logging
import re
from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicssl.audio.decode import read_audio
from musicssl.audio.files import Identity, file_identities
from musicssl.audio.inspection import decoding
from musicssl.audio.store import ClipStore, build_store
from musicssl.cache import discard, fingerprint
from musicssl.documents import write_atomically
from musicssl.errors import InputError

_FILES = "files.json"  # path, size and modification time of each
_log = logging.getLogger(__name__)


def file_store(
    root: Path,
    clip_ids: Sequence[str],
    sample_rate: int,
    cache: Path,
    name: str,
    num_workers: int = -1,
) -> ClipStore:
    """Open the store of some files; decode the files first if there is none.

    A store that contains more files is used as well. A damaged one is skipped with a warning; if it
    is the store of exactly these files, it is made again. A new store is named after the sample
    rate and the path, size and modification time of every file, so a changed or added file makes a
    new one.

    Args:
        root: Folder of the files.
        clip_ids: Their paths relative to `root`, with `/`.
        sample_rate: Sample rate to resample to, in Hz.
        cache: Folder of all stores.
        name: Name of the corpus.
        num_workers: Number of processes that decode; -1 for one per core.

    Raises:
        InputError: See `build_store`.
    """
    identities = file_identities(root, clip_ids)
    folder = _folder(identities, sample_rate, cache, name)
    store = None if folder.exists() else _covering(identities, sample_rate, cache, name)
    if store is None:
        decode = partial(_decode, root=root, sample_rate=sample_rate)
        store = build_store(folder, clip_ids, decode, sample_rate, num_workers, f"preparing {name}")
    if store.folder == folder:
        _list_files(folder, identities)
    return store.only(clip_ids)


def find_file_store(
    root: Path, clip_ids: Sequence[str], sample_rate: int, cache: Path, name: str
) -> ClipStore | None:
    """Open a store that contains some files, or return None if there is none; see `file_store`.

    A warning is logged if all stores of that name are of other files or another sample rate.

    Raises:
        InputError: If the store of exactly these files is damaged.
    """
    existing = _covering(file_identities(root, clip_ids), sample_rate, cache, name)
    if existing is not None:
        return existing.only(clip_ids)
    pattern = re.compile(rf"{re.escape(name)}-\d+-[0-9a-f]{{12}}")
    stores = sorted(path for path in cache.glob(f"{name}-*") if pattern.fullmatch(path.name))
    if stores:
        _warn_of(stores[-1], sample_rate)
    return None


@lru_cache  # warn once a process
def _warn_of(store: Path, sample_rate: int) -> None:
    _log.warning(
        "the clip store %s is at another rate than %d Hz or of other files (added or changed "
        "since?), so audio is decoded on demand, which is slower; prepare a store for these "
        "files with --prepare",
        store,
        sample_rate,
    )


def _covering(
    identities: Sequence[Identity], sample_rate: int, cache: Path, name: str
) -> ClipStore | None:
    """Open the store of exactly these files, or else the first that contains all of them."""
    exact = _folder(identities, sample_rate, cache, name)
    if exact.exists():
        return ClipStore.open(exact)
    wanted = {tuple(identity) for identity in identities}
    for listed in sorted(cache.glob(f"{name}-{sample_rate}-*/{_FILES}")):
        try:
            if wanted <= _listed_files(listed):
                return ClipStore.open(listed.parent)
        except InputError as error:  # the store is not needed
            _log.warning("a clip store is skipped: %s", error)
    return None


def _list_files(folder: Path, identities: Sequence[Identity]) -> None:
    """Write the list of a store's files, unless it is there already."""
    listed, text = folder / _FILES, json.dumps([_decoding(identities), identities])
    if listed.is_dir():
        discard(listed)
    if not listed.is_file() or listed.read_bytes() != text.encode():
        write_atomically(listed, text)


def _listed_files(listed: Path) -> set[tuple[Any, ...]]:
    """Read the list of a store's files; empty if another version of the decoder made the store.

    Raises:
        InputError: If the list is damaged.
    """
    try:
        version, identities = json.loads(listed.read_text())
        files = {tuple(identity) for identity in identities}
    except (OSError, ValueError, TypeError) as error:
        raise InputError(
            f"{listed} is damaged; prepare its files again (--prepare), which repairs it."
        ) from error
    return files if version == _decoding(identities) else set()


def _folder(identities: Sequence[Identity], sample_rate: int, cache: Path, name: str) -> Path:
    version = _decoding(identities)
    settings = {"decoding": version, "sample_rate": sample_rate, "files": identities}
    return cache / f"{name}-{sample_rate}-{fingerprint(settings)}"


def _decoding(identities: Sequence[Identity]) -> str:
    return decoding([path for path, _, _ in identities])


def _decode(clip_id: str, root: Path, sample_rate: int) -> NDArray[np.float32]:
    return read_audio(root / clip_id, sample_rate)
