"""The sound of a corpus in several files, in a folder or in an object store.

Training reads the same crops in the same order as from one clip store: a crop is a range of bytes
of a shard. Shards on this machine are memory maps. Of others, as many as `cache_gb` allows are
kept on the disk, and from the rest the ranges of a batch are fetched, together where the file
system can do that.
"""

import errno
import fcntl
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from musicssl.audio.shard_index import (
    AGAIN,
    SAMPLE_BYTES,
    Place,
    Shard,
    ShardIndex,
    read_shard_index,
)
from musicssl.audio.store_index import FULL_SCALE, SAMPLE_TYPE
from musicssl.cache import fingerprint
from musicssl.errors import InputError, disk_errors

_STEP = np.float32(1 / FULL_SCALE)
_CHUNK_BYTES = 2**24
Samples = NDArray[np.int16]


class LocalShards:
    """Shards as memory maps, on this machine or kept there as far as there is room.

    Args:
        place: Where the shards are.
        folder: Folder for the shards of another machine.
        limit: Bytes that may be kept; processes that use one folder have it together.
    """

    def __init__(self, place: Place, folder: Path, limit: int) -> None:
        self._place, self._folder, self._limit = place, folder, limit
        self._maps: dict[str, Samples] = {}
        self._is_full = False

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_maps": {}}

    def find(self, shard: Shard) -> Samples | None:
        """Return the samples of a shard, (S,); None if there is no room for it here."""
        if shard.file not in self._maps:
            path = self._path(shard)
            if path is None:
                return None
            samples: Samples = np.memmap(path, SAMPLE_TYPE, "r")
            self._maps[shard.file] = samples.view(np.ndarray)
        return self._maps[shard.file]

    def _path(self, shard: Shard) -> Path | None:
        if self._place.is_local:
            return Path(self._place.at(shard.file))
        path = self._folder / shard.file
        if not _is_whole(path, shard) and not self._is_full:
            with disk_errors(self._folder, "data.cache=FOLDER"), self._locked():
                if not _is_whole(path, shard):
                    self._keep(shard, path)
        return path if _is_whole(path, shard) else None

    def _keep(self, shard: Shard, path: Path) -> None:
        kept = sum(file.stat().st_size for file in self._folder.glob("*.i16"))
        if kept + shard.size > self._limit:
            self._is_full = True
            return
        part = path.with_suffix(".part")
        try:
            self._place.files.get_file(self._place.at(shard.file), str(part))
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise
            raise _lost(self._place, shard, error) from error
        with part.open("rb") as file:
            check_shard(self._place, shard, checksum(file))
        part.replace(path)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


class ShardedSound:
    """N clips as a `Sound`, 16 bits a sample, in several files.

    Args:
        place: Where the shards are.
        index: What is in them.
        cache: Folder of derived data, in which shards of another machine are kept.
        cache_gb: Gigabytes that may be kept.
    """

    def __init__(self, place: Place, index: ShardIndex, cache: Path, cache_gb: float) -> None:
        self._place, self._shards = place, index.shards
        self.sample_rate = index.sample_rate
        self.lengths: NDArray[np.int64] = index.arrays["lengths"].astype(np.int64)
        self._crc32: NDArray[np.int64] = index.arrays["crc32"].astype(np.int64)
        counts = [shard.clips for shard in index.shards]
        self._shard_of = np.repeat(np.arange(len(counts)), counts)  # (N,)
        ends = np.cumsum(self.lengths)
        before = np.cumsum([0, *(shard.samples for shard in index.shards[:-1])])
        self._firsts = ends - self.lengths - before[self._shard_of]  # (N,) in its shard
        folder = cache / f"shards-{self.fingerprint}"
        self._local = LocalShards(place, folder, int(cache_gb * 1e9))

    @classmethod
    def open(cls, place: Place, cache: Path, cache_gb: float) -> "tuple[ShardedSound, ShardIndex]":
        """Open the shards at a place, and return what is known of their clips.

        Raises:
            InputError: If they are not complete, or `cache_gb` is negative.
        """
        if cache_gb < 0:
            raise InputError(f"dataset.cache_gb must be 0 or more gigabytes, got {cache_gb:g}.")
        index = read_shard_index(place)
        return cls(place, index, cache, cache_gb), index

    @property
    def fingerprint(self) -> str:
        """A name for the samples, the same as that of a clip store with the same clips."""
        settings = {
            "sample_rate": self.sample_rate,
            "lengths": self.lengths.tolist(),
            "crc32": self._crc32.tolist(),
        }
        return fingerprint(settings)

    def content(self) -> tuple[str, str]:
        """Return what a clip store with the same clips returns, so that runs can go on with it."""
        return "a clip store", self.fingerprint

    def read(
        self, rows: NDArray[np.int64], starts: NDArray[np.int64], num_samples: int
    ) -> NDArray[np.float32]:
        """Copy a stretch from each of several clips; see `Sound`.

        Raises:
            InputError: If a shard cannot be read any more.
        """
        x = np.zeros((len(rows), num_samples), np.float32)  # (B, S)
        firsts = self._firsts[rows] + starts
        lasts = np.minimum(firsts + num_samples, self._firsts[rows] + self.lengths[rows])
        far: list[int] = []
        for index, (row, first, last) in enumerate(zip(rows, firsts, lasts, strict=True)):
            samples = self._local.find(self._shards[self._shard_of[row]])
            if samples is None:
                far.append(index)
            else:
                np.multiply(samples[first:last], _STEP, out=x[index, : last - first])
        for index, samples in zip(
            far, self._fetch(rows[far], firsts[far], lasts[far]), strict=True
        ):
            np.multiply(samples, _STEP, out=x[index, : len(samples)])
        return x

    def _fetch(
        self, rows: NDArray[np.int64], firsts: NDArray[np.int64], lasts: NDArray[np.int64]
    ) -> list[Samples]:
        """Fetch ranges of samples of shards that are not kept here."""
        if not len(rows):
            return []
        shards = [self._shards[shard] for shard in self._shard_of[rows]]
        found = self._place.files.cat_ranges(
            [self._place.at(shard.file) for shard in shards],
            (SAMPLE_BYTES * firsts).tolist(),
            (SAMPLE_BYTES * lasts).tolist(),
            on_error="return",
        )
        sizes = SAMPLE_BYTES * (lasts - firsts)
        for shard, part, size in zip(shards, found, sizes.tolist(), strict=True):
            if isinstance(part, Exception):
                raise _lost(self._place, shard, part) from part
            if len(part) != size:
                raise InputError(
                    f"{shard.file} of the shards at {self._place.url} is cut: {len(part)} of "
                    f"{size} bytes came; {AGAIN}."
                )
        return [np.frombuffer(part, SAMPLE_TYPE) for part in found]

    def verify(self) -> None:
        """Read all shards and compare them with their checksums.

        Raises:
            InputError: If one differs from what was written.
        """
        for shard in self._shards:
            with self._place.files.open(self._place.at(shard.file), "rb") as file:
                check_shard(self._place, shard, checksum(file))


def _is_whole(path: Path, shard: Shard) -> bool:
    return path.is_file() and path.stat().st_size == shard.size


def _lost(place: Place, shard: Shard, error: Exception) -> InputError:
    return InputError(
        f"{shard.file} of the shards at {place.url} cannot be read any more "
        f"({type(error).__name__}: {error}); see whether it is there and the network works. The "
        "same command continues the run."
    )


def checksum(file: IO[bytes]) -> int:
    """Return the CRC-32 of what an open file has from here on."""
    crc32 = 0
    while block := file.read(_CHUNK_BYTES):
        crc32 = zlib.crc32(block, crc32)
    return crc32


def check_shard(place: Place, shard: Shard, crc32: int) -> None:
    """Compare a shard with what was written.

    Raises:
        InputError: If it is something else.
    """
    if crc32 != shard.crc32:
        raise InputError(
            f"{shard.file} of the shards at {place.url} differs from what was written; remove it, "
            f"and {AGAIN}."
        )
