"""A corpus of sound as shards: what is written beside the sound, and read again."""

from pathlib import Path
from typing import Any

import numpy as np

from musicssl.audio.shard_index import AGAIN, Place, ShardIndex
from musicssl.audio.shards import ShardedSound
from musicssl.audio.shards_writing import check_shard_size, write_shards
from musicssl.data.corpus import Corpus
from musicssl.errors import InputError, check_output
from musicssl.limits import DAMAGE

_ARRAYS = ("y", "mask", "split", "clip_ids", "groups", "activity", "sources", "pitches")
_VALUES = ("name", "classes", "task", "instance_seconds", "credit")


def check_shards(url: str | None, shard_mb: float) -> None:
    """Check, before long work, where shards are to be written and how large they are to be.

    Args:
        url: Folder or URL; None if none are written.
        shard_mb: Megabytes of a shard.

    Raises:
        InputError: If a folder cannot be written, no package knows the URL, or the size is not
            above 0.
    """
    if url is None:
        return
    check_shard_size(shard_mb)
    Place.of(url)
    if "://" not in url:
        check_output(Path(url), "--shards", is_folder=True)


def write_corpus(corpus: Corpus, url: str, shard_mb: float, num_workers: int) -> str:
    """Write a corpus of sound into shards, or go on with that; say what was written.

    Args:
        corpus: The corpus.
        url: Folder or URL.
        shard_mb: Megabytes of a shard, which its last clip may exceed.
        num_workers: Number of processes that decode; -1 for one per core.

    Raises:
        InputError: See `musicssl.audio.shards_writing.write_shards`.
    """
    credit = None if corpus.credit is None else corpus.credit.tolist()
    values = {name: getattr(corpus, name) for name in _VALUES} | {"credit": credit}
    arrays = {name: getattr(corpus, name) for name in _ARRAYS}
    kept = {name: array for name, array in arrays.items() if array is not None}
    index = write_shards(Place.of(url), corpus.sound, values, kept, shard_mb, num_workers)
    return describe(url, index)


def corpus_of(sound: ShardedSound, index: ShardIndex, url: str) -> Corpus:
    """Return the corpus that an index describes.

    Raises:
        InputError: If the index lacks parts of it.
    """
    values: dict[str, Any] = dict(index.corpus)
    try:
        credit = values["credit"]
        values["credit"] = None if credit is None else np.array(credit, np.float32)
        values["classes"] = tuple(values["classes"])
        arrays = {name: index.arrays.get(name) for name in _ARRAYS}
        return Corpus(x=sound, **{**values, **arrays})
    except DAMAGE as error:
        raise InputError(f"the index of {url} is damaged ({error}); {AGAIN}.") from error


def describe(url: str, index: ShardIndex) -> str:
    """Describe the content of shards: clips, hours, rate and size."""
    samples = sum(shard.samples for shard in index.shards)
    return (
        f"Shards: {len(index.shards)} with {len(index.arrays['lengths'])} clips, "
        f"{samples / index.sample_rate / 3600:.2f} h at {index.sample_rate} Hz, "
        f"{2 * samples / 1e9:.2f} GB, at {url}"
    )
