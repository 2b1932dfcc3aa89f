"""Write files of embeddings clip by clip, with memory for one clip at a time.

A .npz file pads clips with zeros to the longest one, because its array is mapped and trained on as
it is. A .parquet file has lists of the length of each clip, because it is read into memory anyway.
"""

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import Any
from zipfile import ZipFile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from musicssl.datasets.formats.embeddings_file import atomic_file, checked_suffix
from musicssl.datasets.formats.mapped_npz import write_array
from musicssl.datasets.formats.nested_lists import to_nested
from musicssl.errors import InputError, disk_errors

_GROUP = 1 << 24  # numbers in a group of rows of a .parquet file: 64 MiB


class EmbeddingsWriter:
    """A file of embeddings that is being written; it is there whole, or not at all.

    >>> with EmbeddingsWriter(Path("h.npz"), has_time=True) as file:  # doctest: +SKIP
    ...     file.append("song.mp3", h, times)  # (T, D), (T, 2)

    Args:
        path: Path with the suffix .npz or .parquet; an existing file is replaced.
        has_time: Whether a clip has instances, T.
        layers: The name of each layer, (L,); None without layers.

    Attributes:
        widths: Features of each layer, (L,), if some have fewer than D; to be set before the first
            clip is appended.
        lengths: Instances of each clip that was appended; 1 without time.

    Raises:
        InputError: If the suffix is another one, or the file cannot be written.
    """

    def __init__(
        self,
        path: Path,
        has_time: bool = False,
        layers: Sequence[str] | None = None,
    ) -> None:
        suffix = checked_suffix(path)
        self.lengths: list[int] = []
        self._path, self._has_time = path, has_time
        self.widths: Sequence[int] | None = None
        self._layers = layers
        with disk_errors(path.parent, "--out FILE"):
            self._file: _Npz | _Parquet = _Npz(path) if suffix == ".npz" else _Parquet(path)
        self._clip_ids: set[str] = set()
        self._shape: tuple[int, ...] | None = None  # without the number of instances

    def __enter__(self) -> "EmbeddingsWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if error is None and self._clip_ids:
                with disk_errors(self._path.parent, "--out FILE"):
                    self._file.finish(self._has_time)
        finally:
            self._file.close()

    def append(
        self, clip_id: str, h: NDArray[np.float32], times: NDArray[np.float64] | None = None
    ) -> None:
        """Add a clip.

        Args:
            clip_id: Its name.
            h: Its embedding: (D,), (T, D), (L, D) or (L, T, D).
            times: Begin and end of each instance in seconds, (T, 2); of all clips or of none.

        Raises:
            InputError: If the clip is there, its embedding is not finite or of another shape than
                that of the first clip, or the disk is full.
        """
        shape = (*h.shape[:-2], h.shape[-1]) if self._has_time else h.shape
        self._shape = self._shape or shape
        num_axes = 1 + self._has_time + (self._layers is not None)
        if h.ndim != num_axes or shape != self._shape or not h.size:
            raise InputError(
                f"the embedding of {clip_id} has shape {h.shape}, which does not fit to the others "
                f"in {self._path.name}; give all clips the same layers and features."
            )
        if not np.isfinite(h).all():
            raise InputError(f"the embedding of {clip_id} is NaN or infinite; leave it out.")
        if clip_id in self._clip_ids:
            raise InputError(f"clip {clip_id} occurs twice; give each clip one row.")
        if not self._clip_ids:
            self._file.of_layers = self._of_layers()
        self._clip_ids.add(clip_id)
        self.lengths.append(h.shape[-2] if self._has_time else 1)
        with disk_errors(self._path.parent, "--out FILE"):
            self._file.append(clip_id, np.ascontiguousarray(h, np.float32), times)

    def _of_layers(self) -> dict[str, list[Any]]:
        found = {"layers": self._layers, "widths": self.widths}
        return {name: list(values) for name, values in found.items() if values is not None}


class _Npz:
    """Rows go to a temporary file, until it is known to what length they are padded."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.of_layers: dict[str, list[Any]] = {}
        self._rows = TemporaryFile(dir=path.parent)  # noqa: SIM115 `close` closes it
        self._clip_ids: list[str] = []
        self._shapes: list[tuple[int, ...]] = []
        self._times: list[NDArray[np.float64]] = []

    def append(
        self, clip_id: str, h: NDArray[np.float32], times: NDArray[np.float64] | None
    ) -> None:
        self._rows.write(h.tobytes())
        self._clip_ids.append(clip_id)
        self._shapes.append(h.shape)
        if times is not None:
            self._times.append(times)

    def finish(self, has_time: bool) -> None:
        count, shape = len(self._clip_ids), list(self._shapes[0])
        lengths = np.array([one[-2] if has_time else 1 for one in self._shapes], np.int64)
        if has_time:
            shape[-2] = int(lengths.max())
        arrays: dict[str, NDArray[Any]] = {"clip_ids": np.array(self._clip_ids, np.str_)}
        arrays |= {name: np.array(values) for name, values in self.of_layers.items()}
        if has_time:
            arrays["lengths"] = lengths
        with atomic_file(self._path) as file, ZipFile(file, "w") as archive:
            for name, array in arrays.items():
                write_array(archive, name, array.shape, [array], array.dtype)
            if self._times:
                of_all = (count, shape[-2], 2)
                blocks = (_padded(one, (shape[-2], 2)) for one in self._times)
                write_array(archive, "times", of_all, blocks, np.float64)
            write_array(archive, "embeddings", (count, *shape), self._padded_rows(shape))

    def close(self) -> None:
        self._rows.close()

    def _padded_rows(self, shape: Sequence[int]) -> Iterator[NDArray[np.float32]]:
        self._rows.seek(0)
        for one in self._shapes:
            data = self._rows.read(4 * math.prod(one))
            yield _padded(np.frombuffer(data, np.float32).reshape(one), shape)


class _Parquet:
    """Rows go to the file in groups."""

    def __init__(self, path: Path) -> None:
        self.of_layers: dict[str, list[Any]] = {}
        self._path, self._part = path, path.with_name(f".{path.name}.part")
        self._file = self._part.open("wb")
        self._writer: pq.ParquetWriter | None = None
        self._rows: list[tuple[str, NDArray[np.float32], NDArray[np.float64] | None]] = []
        self._numbers = 0

    def append(
        self, clip_id: str, h: NDArray[np.float32], times: NDArray[np.float64] | None
    ) -> None:
        self._rows.append((clip_id, h, times))
        self._numbers += h.size
        if self._numbers >= _GROUP:
            self._write()

    def finish(self, has_time: bool) -> None:
        self._write()
        assert self._writer is not None
        self._writer.close()
        self._file.close()
        self._part.replace(self._path)

    def close(self) -> None:
        self._file.close()
        self._part.unlink(missing_ok=True)

    def _write(self) -> None:
        if not self._rows:
            return
        clip_ids, h, times = zip(*self._rows, strict=True)
        columns = {"clip_id": pa.array(clip_ids, pa.string()), "embedding": to_nested(h)}
        if times[0] is not None:
            columns["times"] = to_nested(times)
        about = {b"musicssl": json.dumps(self.of_layers)}
        table = pa.table(columns).replace_schema_metadata(about)
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._file, table.schema)
        self._writer.write_table(table)
        self._rows, self._numbers = [], 0


def _padded(array: NDArray[Any], shape: Sequence[int]) -> NDArray[Any]:
    """Return an array with zeros after its values in all but the last axis."""
    if array.shape == tuple(shape):
        return array
    whole = np.zeros(shape, array.dtype)
    whole[..., : array.shape[-2], :] = array
    return whole
