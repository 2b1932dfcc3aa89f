"""The format of a sharded store: files of samples, and an index of clips and shards.

A shard such as `shard-00003.i16` contains clips one after the other without gaps, 16 bits a sample,
little-endian, as `samples.i16` of a clip store does. `shard-00003.json` has the checksums that were
computed while it was written. `clips.npz` contains the arrays of all clips, and `index.json`, which
is written last, everything else.
"""

import io
import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import fsspec
import numpy as np
from fsspec.core import url_to_fs
from numpy.typing import NDArray

from musicssl.errors import InputError
from musicssl.limits import DAMAGE, check_arrays

INDEX, CLIPS = "index.json", "clips.npz"
SAMPLE_BYTES = 2
_VERSION = 1
_NAME = re.compile(r"shard-\d+\.i16")
AGAIN = "type the command that wrote it again (--shards): it writes what is missing"


@dataclass(frozen=True)
class Place:
    """A folder on this machine or in an object store.

    Attributes:
        url: As it was typed: a path, or a URL such as s3://bucket/folder.
        files: The file system of the URL.
        path: Path of the folder in that file system.
    """

    url: str
    files: fsspec.AbstractFileSystem
    path: str

    @classmethod
    def of(cls, url: str) -> "Place":
        """Find the file system of a URL.

        Raises:
            InputError: If its protocol is unknown, or a package for it is missing.
        """
        try:
            files, path = url_to_fs(url)
        except (ImportError, ValueError) as error:
            cause = str(error).partition("\n")[0]
            raise InputError(
                f"{url} cannot be opened ({cause}); shards lie in a folder, or at a URL that "
                "fsspec knows, such as s3://bucket/folder with pip install s3fs."
            ) from error
        return cls(url, files, path.rstrip("/"))

    @property
    def is_local(self) -> bool:
        """Whether it is a folder on this machine."""
        return "file" in self.files.protocol

    def at(self, name: str) -> str:
        """Return the path of a file in the folder."""
        return f"{self.path}/{name}"

    def sizes(self) -> dict[str, int]:
        """Return the size in bytes of each file; empty if there is no such folder."""
        try:
            self.files.invalidate_cache(self.path)
            found = self.files.ls(self.path, detail=True)
        except FileNotFoundError:
            return {}
        return {str(one["name"]).rpartition("/")[2]: int(one["size"] or 0) for one in found}

    def read(self, name: str) -> bytes:
        """Read a small file."""
        content: bytes = self.files.cat_file(self.at(name))
        return content

    def write(self, name: str, content: bytes) -> None:
        """Write a file that appears when all of it is written."""
        if not self.is_local:  # an object appears when its upload is complete
            self.files.pipe_file(self.at(name), content)
            return
        self.files.makedirs(self.path, exist_ok=True)
        self.files.pipe_file(self.at(f"{name}.part"), content)
        self.files.mv(self.at(f"{name}.part"), self.at(name))


@dataclass(frozen=True)
class Shard:
    """A file of samples.

    Attributes:
        file: Its name.
        clips: Number of clips.
        samples: Number of samples.
        crc32: Checksum of the file.
    """

    file: str
    clips: int
    samples: int
    crc32: int

    @property
    def size(self) -> int:
        """Size of the file in bytes."""
        return SAMPLE_BYTES * self.samples


@dataclass(frozen=True)
class ShardIndex:
    """What is in a sharded store.

    Attributes:
        sample_rate: Sample rate, in Hz.
        shards: The shards; the clips of one follow those of the shard before it.
        corpus: Name, classes, task and so on of the corpus, in a form that JSON can hold.
        arrays: Arrays with a row for each clip: `lengths` in samples and `crc32` of its samples,
            and those of the corpus.
    """

    sample_rate: int
    shards: tuple[Shard, ...]
    corpus: dict[str, Any]
    arrays: Mapping[str, NDArray[Any]] = field(repr=False)

    def write(self, place: Place) -> None:
        """Write the arrays, and then the index, which says that the store is complete."""
        buffer = io.BytesIO()
        arrays: dict[str, Any] = dict(self.arrays)
        np.savez(buffer, **arrays)
        content = {
            "version": _VERSION,
            "sample_rate": self.sample_rate,
            "shards": [asdict(shard) for shard in self.shards],
            "corpus": self.corpus,
            "clips_crc32": zlib.crc32(buffer.getbuffer()),
        }
        place.write(CLIPS, buffer.getvalue())
        place.write(INDEX, json.dumps(content).encode())


def read_shard_index(place: Place) -> ShardIndex:
    """Read the index of a sharded store, and make sure that its shards are there.

    Raises:
        InputError: If it is missing, damaged or of another version, or a shard is missing or cut.
    """
    try:
        index = _parsed(place.read(INDEX), place.read(CLIPS), place)
    except FileNotFoundError as error:
        raise InputError(
            f"there is no complete sharded store at {place.url} (no {INDEX} or {CLIPS}); if it was "
            f"being written, {AGAIN}."
        ) from error
    _check_shards(place, index)
    return index


def _parsed(index: bytes, packed: bytes, place: Place) -> ShardIndex:
    try:
        content = json.loads(index)
        if content["version"] == _VERSION:
            if zlib.crc32(packed) != content["clips_crc32"]:
                raise ValueError(f"{CLIPS} differs from what was written")
            check_arrays(io.BytesIO(packed))
            with np.load(io.BytesIO(packed), allow_pickle=False) as file:
                arrays = dict(file.items())
            shards = tuple(Shard(**shard) for shard in content["shards"])
            found = ShardIndex(int(content["sample_rate"]), shards, dict(content["corpus"]), arrays)
            if not _fits_together(found):
                raise ValueError("its parts do not fit together")
            return found
    except DAMAGE as error:
        raise InputError(f"the index of {place.url} is damaged ({error}); {AGAIN}.") from error
    raise InputError(
        f"{place.url} has version {content['version']} of the format, but musicssl reads version "
        f"{_VERSION}; write it again (--shards) in an empty folder."
    )


def _fits_together(index: ShardIndex) -> bool:
    lengths = index.arrays["lengths"]
    counts = [shard.clips for shard in index.shards]
    ends = np.cumsum(counts)
    samples = np.concatenate([[0], np.cumsum(lengths)])[np.concatenate([[0], ends])]
    return (
        all(_NAME.fullmatch(shard.file) for shard in index.shards)  # no path to another folder
        and sum(counts) == len(lengths)
        and len(index.arrays["crc32"]) == len(lengths)
        and bool((lengths >= 1).all())
        and np.diff(samples).tolist() == [shard.samples for shard in index.shards]
    )


def _check_shards(place: Place, index: ShardIndex) -> None:
    sizes = place.sizes()
    for shard in index.shards:
        found = sizes.get(shard.file)
        if found is None:
            raise InputError(f"{shard.file} of the shards at {place.url} is missing; {AGAIN}.")
        if found != shard.size:
            raise InputError(
                f"{shard.file} of the shards at {place.url} is cut: it has {found} bytes instead "
                f"of {shard.size}; {AGAIN}."
            )
