"""The clip store: the sound of a whole corpus at one sample rate, decoded once."""

import logging
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musicssl.audio.store_index import FULL_SCALE, INDEX, SAMPLE_TYPE, SAMPLES, read_index
from musicssl.audio.store_writing import JOURNAL, Decode, write_store
from musicssl.cache import build_on, discard, fingerprint
from musicssl.documents import read_json, write_json
from musicssl.errors import InputError

_VERIFIED = "verified.json"  # sizes and times of the files when they were last verified
_verified: dict[Path, list[list[int]]] = {}  # the same, of this process
_STEP = np.float32(1 / FULL_SCALE)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class ClipStore:
    """N clips as a `Sound`, 16 bits a sample, in one memory-mapped file.

    See `musicssl.audio.store_index.quantise` for the largest rounding error of a sample. A copy
    that is sent to another process opens the same file; samples are not copied.

    Attributes:
        folder: Folder of the store.
        sample_rate: Sample rate, in Hz.
        clip_ids: Name of each clip, (N).
        lengths: Number of samples of each clip, (N,).
        clipped: Number of samples of each clip that exceeded full scale before, (N,).
        unreadable: Name and fault of every clip that is not in the store.
    """

    folder: Path
    sample_rate: int
    clip_ids: tuple[str, ...]
    lengths: NDArray[np.int64]
    clipped: NDArray[np.int64]
    unreadable: dict[str, str]
    _crc32: Sequence[int]
    _ends: NDArray[np.int64]  # (N,) index in _samples after the last sample of each clip
    _samples: NDArray[np.int16]  # all clips, concatenated; a read-only memory map

    @classmethod
    def open(cls, folder: Path) -> "ClipStore":
        """Open a store.

        Samples are compared with their checksums if the file was written or copied since that was
        done; otherwise the time does not depend on the length of the sound.

        Raises:
            InputError: If there is no store, or it is damaged or of another version.
        """
        index = read_index(folder)
        lengths = np.array(index.lengths, np.int64)
        expected, actual = 2 * sum(index.lengths), _size(folder / SAMPLES)
        if actual != expected:
            raise InputError(
                f"the clip store {folder} is damaged: {SAMPLES} has {actual} bytes instead of "
                f"{expected}; remove the folder and prepare it again (--prepare)."
            )
        store = cls(
            folder=folder,
            sample_rate=index.sample_rate,
            clip_ids=tuple(index.clip_ids),
            lengths=lengths,
            clipped=np.array(index.clipped, np.int64),
            unreadable=index.unreadable,
            _crc32=index.crc32,
            _ends=np.cumsum(lengths),
            _samples=np.asarray(np.memmap(folder / SAMPLES, SAMPLE_TYPE, mode="r")),
        )
        if not _is_verified(folder):
            store.verify()
            _note_verified(folder)
        return store

    def __reduce__(self) -> tuple[Callable[..., "ClipStore"], tuple[Path, tuple[str, ...]]]:
        return _reopened, (self.folder, self.clip_ids)

    @property
    def fingerprint(self) -> str:
        """A name for the samples, from the rate and each clip's length and checksum."""
        settings = {
            "sample_rate": self.sample_rate,
            "lengths": self.lengths.tolist(),
            "crc32": list(self._crc32),
        }
        return fingerprint(settings)

    def content(self) -> tuple[str, str]:
        """Return "a clip store" and the name for the samples."""
        return "a clip store", self.fingerprint

    def only(self, clip_ids: Sequence[str]) -> "ClipStore":
        """Return a store of some of the clips, in the order of `clip_ids`; nothing is copied.

        Names that are not in the store are left out; `unreadable` keeps the faults of those names.
        """
        row_of = {clip_id: row for row, clip_id in enumerate(self.clip_ids)}
        stored = tuple(clip_id for clip_id in clip_ids if clip_id in row_of)
        rows = np.array([row_of[clip_id] for clip_id in stored], np.int64)
        return replace(
            self,
            clip_ids=stored,
            lengths=self.lengths[rows],
            clipped=self.clipped[rows],
            unreadable={
                name: self.unreadable[name] for name in clip_ids if name in self.unreadable
            },
            _crc32=[self._crc32[row] for row in rows],
            _ends=self._ends[rows],
        )

    def read(
        self, rows: NDArray[np.int64], starts: NDArray[np.int64], num_samples: int
    ) -> NDArray[np.float32]:
        """Copy a stretch from each of several clips; see `Sound`.

        Samples are converted from 16 bits to floats while they are copied. Slices of the memory map
        are six times as fast as one index array for all samples, which would also take four times
        the memory of the sound.
        """
        x = np.zeros((len(rows), num_samples), np.float32)  # (B, S)
        for row, stretch in zip(x, self._stretches(rows, starts, num_samples), strict=True):
            np.multiply(stretch, _STEP, out=row[: len(stretch)])
        return x

    def read_stored(
        self, rows: NDArray[np.int64], starts: NDArray[np.int64], num_samples: int
    ) -> NDArray[np.int16]:
        """Copy stretches as they are stored: what `read` returns, times `FULL_SCALE`."""
        x = np.zeros((len(rows), num_samples), np.int16)
        for row, stretch in zip(x, self._stretches(rows, starts, num_samples), strict=True):
            row[: len(stretch)] = stretch
        return x

    def _stretches(
        self, rows: NDArray[np.int64], starts: NDArray[np.int64], num_samples: int
    ) -> Iterator[NDArray[np.int16]]:
        """Go through stretches of several clips, as views of at most `num_samples`."""
        firsts = self._ends[rows] - self.lengths[rows] + starts
        lasts = np.minimum(firsts + num_samples, self._ends[rows])
        for first, last in zip(firsts.tolist(), lasts.tolist(), strict=True):
            yield self._samples[first:last]

    def verify(self) -> None:
        """Read all samples and compare them with their checksums.

        Raises:
            InputError: If a clip differs from what was written; the message names the first one.
        """
        damaged = [
            clip_id
            for clip_id, length, end, crc32 in zip(
                self.clip_ids, self.lengths, self._ends, self._crc32, strict=True
            )
            if zlib.crc32(self._samples[end - length : end].data) != crc32
        ]
        if damaged:
            raise InputError(
                f"the clip store {self.folder} is damaged: {len(damaged)} of {len(self.clip_ids)} "
                f"clips differ from what was written, the first is {damaged[0]}; "
                "remove the folder and prepare it again (--prepare)."
            )


def _is_verified(folder: Path) -> bool:
    """Whether the samples were compared with their checksums as they and the index are now.

    Raises:
        InputError: If the index is not the one that was written.
    """
    stamps = _stamps_of(folder)
    if _verified.get(folder) == stamps:
        return True
    try:
        noted = read_json(folder / _VERIFIED)
        earlier, index = noted["files"], noted["index"]
    except (OSError, ValueError, KeyError):
        return False  # an older store, or one that was copied without this file
    if earlier == stamps:
        return True
    if index != zlib.crc32((folder / INDEX).read_bytes()):
        raise InputError(
            f"the index of the clip store {folder} is damaged; remove {folder} and prepare it "
            "again (--prepare)."
        )
    return False


def _note_verified(folder: Path) -> None:
    stamps = _verified[folder] = _stamps_of(folder)
    noted = {"files": stamps, "index": zlib.crc32((folder / INDEX).read_bytes())}
    with suppress(OSError):  # a store of somebody else; each process verifies it then
        write_json(folder / _VERIFIED, noted)


def _stamps_of(folder: Path) -> list[list[int]]:
    stats = [(folder / name).stat() for name in (SAMPLES, INDEX)]
    return [[stat.st_size, stat.st_mtime_ns] for stat in stats]


def build_store(
    folder: Path,
    clip_ids: Sequence[str],
    decode: Decode,
    sample_rate: int,
    num_workers: int = -1,
    title: str = "preparing",
) -> ClipStore:
    """Open a store; build it first if it does not exist, or again if it is damaged.

    A build that was killed or stopped by a full disk is resumed. Processes that need the same
    store wait for the first one. The folder appears when everything is written.

    Args:
        folder: Folder of the store.
        clip_ids: Names of the clips.
        decode: Returns the samples of a clip, (S,), by its name. It runs in worker processes; the
            clips for which it raises `UnreadableAudioError` are listed in `unreadable`.
        sample_rate: Sample rate of these samples, in Hz.
        num_workers: Number of processes; -1 for one per core.
        title: Title of the progress bar.

    Raises:
        InputError: If no clip can be decoded, or the disk is full or fails.
    """

    def build(part: Path) -> None:
        write_store(part, clip_ids, decode, sample_rate, num_workers, title)

    if folder.exists():
        try:
            return ClipStore.open(folder)
        except InputError as error:
            _log.warning("%s It is made again now.", error)
            discard(folder)
    build_on(folder, build)
    (folder / JOURNAL).unlink(missing_ok=True)  # a kill before this line would still need it
    _note_verified(folder)
    return ClipStore.open(folder)


def _reopened(folder: Path, clip_ids: Sequence[str]) -> ClipStore:
    return ClipStore.open(folder).only(clip_ids)


def _size(file: Path) -> int:
    return file.stat().st_size if file.is_file() else 0
