"""Embeddings in a .parquet file, as pandas and polars like them: a row for each clip.

Columns: `clip_id` and `split` (and `group`) are text, `embedding` and `targets` lists of D and C
float32, `mask` a list of C bool. Names of classes, task and credit are JSON under the key
"musicssl" of the schema's metadata.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from musicssl.errors import InputError

_COLUMNS = {
    "clip_ids": "clip_id",
    "split": "split",
    "groups": "group",
    "embeddings": "embedding",
    "targets": "targets",
    "mask": "mask",
}
_OF_ALL_CLIPS = ("classes", "task", "credit")
_METADATA = b"musicssl"
_LISTS = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)


def write_parquet(file: IO[bytes], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays, those that are of all clips together into the metadata."""
    columns = {_COLUMNS[name]: _column(arrays[name]) for name in _COLUMNS if name in arrays}
    about = {name: arrays[name].tolist() for name in _OF_ALL_CLIPS if name in arrays}
    table = pa.table(columns).replace_schema_metadata({_METADATA: json.dumps(about)})
    pq.write_table(table, file)


def read_parquet(path: Path, names: frozenset[str]) -> dict[str, NDArray[Any]]:
    """Read those of some arrays that there are, writable; lists may be of fixed size or not.

    Raises:
        InputError: If the file is damaged, a cell is empty, or lists differ in length.
    """
    wanted = {name: column for name, column in _COLUMNS.items() if name in names}
    try:
        with pq.ParquetFile(path) as file:
            there = set(file.schema_arrow.names)
            table = file.read([column for column in wanted.values() if column in there])
            about = json.loads((file.schema_arrow.metadata or {}).get(_METADATA, b"{}"))
            of_all = {name: np.array(about[name]) for name in _OF_ALL_CLIPS if name in about}
    except (OSError, ValueError, TypeError, pa.ArrowException) as error:
        raise InputError(f"{path} cannot be read as .parquet ({error}); write it again.") from error
    of_each = {
        name: _array(path, column, table.column(column))
        for name, column in wanted.items()
        if column in there
    }
    return of_each | of_all


def _column(array: NDArray[Any]) -> pa.Array:
    if array.ndim == 1:
        return pa.array(array.tolist(), pa.string())
    return pa.FixedSizeListArray.from_arrays(pa.array(array.ravel()), array.shape[1])


def _array(path: Path, name: str, column: pa.ChunkedArray) -> NDArray[Any]:
    """Return a column as (N,), or one of lists as (N, D)."""
    cells = column.combine_chunks()
    if not any(is_list(cells.type) for is_list in _LISTS):
        return _flat(path, name, cells)
    values = _flat(path, name, cells.flatten() if not cells.null_count else cells)
    lengths = set(pc.list_value_length(cells).to_pylist())
    if len(lengths) > 1:
        raise InputError(f"{path}: lists of {name!r} differ in length; give each clip as many.")
    return values.reshape(len(cells), max(lengths, default=0))


def _flat(path: Path, name: str, values: pa.Array) -> NDArray[Any]:
    if values.null_count:
        raise InputError(f"{path}: {name!r} has empty cells; fill them or leave the clips out.")
    array: NDArray[Any] = values.to_numpy(zero_copy_only=False, writable=True)
    return array.astype(np.str_) if array.dtype == object else array  # objects are text
