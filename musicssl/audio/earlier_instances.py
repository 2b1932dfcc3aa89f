"""Instances that an earlier store of the same folder holds, so that no file is decoded twice.

A store is made anew when a file is added, removed or changed. The instances of all other files are
copied from earlier stores. The samples of a clip store are not used: they have 16 bits, and the
instances of a decoded file may differ from theirs in the last digits.
"""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicssl.audio.files import file_identities
from musicssl.audio.inspection import decoding
from musicssl.cache import fingerprint, is_whole
from musicssl.documents import read_json, write_json

MADE_FROM = "made_from.json"
Outcome = tuple[NDArray[np.float32], float] | str  # instances, (T, F), and peak, or the fault
_log = logging.getLogger(__name__)


class EarlierInstances(Mapping[str, Outcome]):
    """The outcomes of files that did not change, by their paths; each is read when it is asked for.

    Args:
        stores: Folders of earlier stores that hold them, by path.
    """

    def __init__(self, stores: Mapping[str, Path]) -> None:
        self._stores = stores
        self._opened: dict[Path, tuple[dict[str, Any], dict[str, int], NDArray[np.float32]]] = {}

    def __getitem__(self, clip_id: str) -> Outcome:
        index, row_of, x = self._open(self._stores[clip_id])
        if clip_id in index["unreadable"]:
            return str(index["unreadable"][clip_id])
        length = index["lengths"][clip_id]
        return x[row_of[clip_id], :length], index["peaks"].get(clip_id, 0.0)

    def __iter__(self) -> Iterator[str]:
        return iter(self._stores)

    def __len__(self) -> int:
        return len(self._stores)

    def _open(self, folder: Path) -> tuple[dict[str, Any], dict[str, int], NDArray[np.float32]]:
        if folder not in self._opened:
            index = json.loads((folder / "index.json").read_text())
            rows = {clip_id: row for row, clip_id in enumerate(index["lengths"])}
            self._opened[folder] = (index, rows, np.load(folder / "x.npy", mmap_mode="r"))
        return self._opened[folder]


def earlier_instances(
    cache: Path, name: str, root: Path, clip_ids: Sequence[str], settings: Mapping[str, Any]
) -> EarlierInstances:
    """Find the files whose instances are in an earlier, undamaged store.

    Args:
        cache: Folder of all stores.
        name: Name of the corpus.
        root: Folder of the files; stores of another folder are not used, because files of equal
            name, size and time may differ there.
        clip_ids: Paths of the files relative to it.
        settings: All that instances depend on, except the file.
    """
    wanted = made_from(root, clip_ids, settings)
    found: dict[str, Path] = {}
    for file in sorted(cache.glob(f"{name}-*/{MADE_FROM}")):
        there = _read(file)
        if there.get("settings") != wanted["settings"]:
            continue
        files = there["files"]
        same = [c for c in clip_ids if c not in found and files.get(c) == wanted["files"][c]]
        if same and is_whole(file.parent):
            found |= dict.fromkeys(same, file.parent)
    if found:
        _log.info("files whose instances an earlier store holds: %d", len(found))
    return EarlierInstances(found)


def made_from(root: Path, clip_ids: Sequence[str], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what instances are made from, for a store to note: settings, and each file."""
    files = {
        clip_id: [*identity[1:], decoding([clip_id])]
        for clip_id, identity in zip(clip_ids, file_identities(root, clip_ids), strict=True)
    }
    return {"settings": fingerprint({**settings, "root": str(root.resolve())}), "files": files}


def note(folder: Path, root: Path, clip_ids: Sequence[str], settings: Mapping[str, Any]) -> None:
    """Write down what the instances of a store are made from."""
    write_json(folder / MADE_FROM, made_from(root, clip_ids, settings))


def _read(file: Path) -> dict[str, Any]:
    """Return what a store is made from, nothing if that cannot be read."""
    try:
        return read_json(file)
    except (OSError, ValueError):
        return {}
