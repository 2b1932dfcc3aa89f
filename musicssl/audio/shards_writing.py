"""Write the sound of a corpus into shards, one after the other, so that no disk holds all of it.

A write that was stopped continues: a shard with a file of checksums is not written again.
"""

import json
import logging
import zlib
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicssl.audio.parallel import in_parallel
from musicssl.audio.shard_index import SAMPLE_BYTES, Place, Shard, ShardIndex, read_shard_index
from musicssl.audio.sound import Sound
from musicssl.audio.store_index import SAMPLE_TYPE, quantise
from musicssl.cache import fingerprint
from musicssl.errors import InputError

_log = logging.getLogger(__name__)


def write_shards(
    place: Place,
    sound: Sound,
    corpus: Mapping[str, Any],
    arrays: Mapping[str, NDArray[Any]],
    shard_mb: float,
    num_workers: int,
) -> ShardIndex:
    """Write shards and their index.

    Args:
        place: Where.
        sound: The recordings.
        corpus: Description of the corpus in the index, of plain values that JSON can hold.
        arrays: Arrays of the corpus with a row for each clip.
        shard_mb: Megabytes of a shard, which its last clip may exceed.
        num_workers: Number of processes that decode; -1 for one per core.

    Raises:
        InputError: If the size is not positive, or the place cannot be written.
    """
    check_shard_size(shard_mb)
    task = fingerprint({"sound": sound.fingerprint, "shard_mb": shard_mb})
    try:
        sizes = place.sizes()
        shards, crc32 = [], []
        for number, (first, last) in enumerate(_divided(sound.lengths, shard_mb)):
            rows = range(first, last)
            shard, sums = _write(
                place, f"shard-{number:05d}", task, sound, rows, sizes, num_workers
            )
            shards.append(shard)
            crc32 += sums
        own = {"lengths": sound.lengths, "crc32": np.array(crc32, np.int64)}
        index = ShardIndex(sound.sample_rate, tuple(shards), dict(corpus), {**arrays, **own})
        index.write(place)
    except (OSError, ValueError) as error:
        raise InputError(
            f"the shards at {place.url} cannot be written ({error}); make room or choose another "
            "place, and type the same command: it keeps the shards that are done."
        ) from error
    return read_shard_index(place)


def check_shard_size(shard_mb: float) -> None:
    """Check the size of a shard, in megabytes.

    Raises:
        InputError: If it is not above 0.
    """
    if not shard_mb > 0:
        raise InputError(f"--shard-mb must be a positive number of megabytes, got {shard_mb:g}.")


def _divided(lengths: NDArray[np.int64], shard_mb: float) -> Iterator[tuple[int, int]]:
    """Yield the first clip of each shard and the first one behind it."""
    megabytes = SAMPLE_BYTES * np.cumsum(lengths) / 1e6
    number = np.floor((megabytes - SAMPLE_BYTES * lengths / 1e6) / shard_mb)  # by where it starts
    starts = [0, *(np.flatnonzero(np.diff(number)) + 1).tolist(), len(lengths)]
    yield from pairwise(starts)


def _write(
    place: Place,
    name: str,
    task: str,
    sound: Sound,
    rows: range,
    sizes: Mapping[str, int],
    num_workers: int,
) -> tuple[Shard, list[int]]:
    """Write a shard, unless it is there; return it, and the checksum of each clip."""
    file, sidecar = f"{name}.i16", f"{name}.json"
    if sidecar in sizes and sizes.get(file) == SAMPLE_BYTES * int(sound.lengths[rows].sum()):
        noted = json.loads(place.read(sidecar))
        if noted["task"] == task:
            _log.info("%s is there already.", file)
            return Shard(**noted["shard"]), noted["clips"]
    parts, sums = [], []
    work = partial(_samples, sound)
    for _, samples in in_parallel(work, rows, num_workers, f"writing {file}", chunk=8):
        parts.append(samples)
        sums.append(zlib.crc32(samples))
    content = b"".join(parts)
    shard = Shard(file, len(rows), len(content) // SAMPLE_BYTES, zlib.crc32(content))
    place.write(file, content)
    noted = {"task": task, "shard": shard.__dict__, "clips": sums}
    place.write(sidecar, json.dumps(noted).encode())
    return shard, sums


def _samples(sound: Sound, row: int) -> bytes:
    """Return all samples of a clip in 16 bits."""
    read = sound.read(np.array([row]), np.zeros(1, np.int64), int(sound.lengths[row]))
    return quantise(read[0])[0].astype(SAMPLE_TYPE, copy=False).tobytes()
