"""Files of embeddings in Parquet: one row for each clip, as pandas and polars expect.

`clip_id`, `split` and `group` are text, `embedding` and `targets` are lists of D and C float32,
`mask` is a list of C bool. With time or layers, `embedding` is a list of such lists; see
`musicssl.datasets.formats.nested_lists`. Class names, task, credit and names of layers are JSON
under the key "musicssl" of the schema's metadata.
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

from musicssl.datasets.formats.nested_lists import depth, from_nested, to_nested
from musicssl.datasets.formats.parquet_footer import count_values
from musicssl.errors import InputError, printable
from musicssl.limits import LARGE, growth_fault

_COLUMNS = {
    "clip_ids": "clip_id",
    "split": "split",
    "groups": "group",
    "embeddings": "embedding",
    "targets": "targets",
    "mask": "mask",
    "times": "times",
}
_OF_ALL_CLIPS = ("classes", "task", "credit", "layers", "widths")
_METADATA = b"musicssl"
_LISTS = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)


def write_parquet(file: IO[bytes], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays; those that do not belong to single clips go into the metadata."""
    columns = {_COLUMNS[name]: _column(arrays[name]) for name in _COLUMNS if name in arrays}
    about = {name: arrays[name].tolist() for name in _OF_ALL_CLIPS if name in arrays}
    table = pa.table(columns).replace_schema_metadata({_METADATA: json.dumps(about)})
    pq.write_table(table, file)


def read_parquet(path: Path, names: frozenset[str]) -> dict[str, NDArray[Any]]:
    """Read the existing arrays among some names, as writable arrays.

    Lists in the file may be of fixed size or not.

    Raises:
        InputError: If the file is damaged, a cell is empty, or lists differ in length.
    """
    wanted = {name: column for name, column in _COLUMNS.items() if name in names}
    try:
        _check_numbers(path)
        columns = set(pq.read_schema(path).names)
        # A dictionary of names is not expanded: some kilobytes could become gigabytes.
        text = [_COLUMNS[name] for name in ("clip_ids", "split", "groups")]
        with pq.ParquetFile(path, read_dictionary=[t for t in text if t in columns]) as file:
            table = file.read([column for column in wanted.values() if column in columns])
            about = json.loads((file.schema_arrow.metadata or {}).get(_METADATA, b"{}"))
            of_all = {name: np.array(about[name]) for name in _OF_ALL_CLIPS if name in about}
    except (
        *(OSError, ValueError, TypeError, AttributeError, OverflowError),
        *(MemoryError, RecursionError, pa.ArrowException),
    ) as error:
        raise _damaged(path, error) from error
    found: dict[str, NDArray[Any]] = {}
    try:
        for name, column in wanted.items():
            if column in columns:
                found |= _arrays_of(path, name, table.column(column), has_layers="layers" in of_all)
    except pa.ArrowException as error:  # what is read is checked only where it is used
        raise _damaged(path, error) from error
    return found | of_all


def _damaged(path: Path, error: BaseException) -> InputError:
    why = printable((str(error).splitlines() or [type(error).__name__])[0])
    return InputError(f"{path} cannot be read as .parquet ({why}); write it again.")


def _column(array: NDArray[Any]) -> pa.Array:
    if array.ndim == 1:
        return pa.array(array.tolist(), pa.string())
    if array.ndim > 2:
        return to_nested([*array])
    return pa.FixedSizeListArray.from_arrays(pa.array(array.ravel()), array.shape[1])


def _arrays_of(
    path: Path, name: str, column: pa.ChunkedArray, has_layers: bool
) -> dict[str, NDArray[Any]]:
    """Return a column as an array, with the lengths of clips if it has time."""
    levels = depth(column.type)
    if name == "times":
        return {name: from_nested(path, name, column, time_axis=1)[0]}
    if name != "embeddings" or levels < 2:
        return {name: _array(path, _COLUMNS[name], column)}
    if has_layers and levels == 2:
        return {name: from_nested(path, _COLUMNS[name], column, time_axis=None)[0]}
    array, lengths = from_nested(path, _COLUMNS[name], column, time_axis=levels - 1)
    return {name: array, "lengths": lengths}


def _array(path: Path, name: str, column: pa.ChunkedArray) -> NDArray[Any]:
    """Return a column as (N,), or one of lists as (N, D)."""
    if pa.types.is_dictionary(column.type):
        return _named(path, name, column)
    cells = column.combine_chunks()
    if not any(is_list(cells.type) for is_list in _LISTS):
        return _flat(path, name, cells)
    values = _flat(path, name, cells.flatten() if not cells.null_count else cells)
    lengths = set(pc.list_value_length(cells).to_pylist())
    if len(lengths) > 1:
        raise InputError(
            f"{path}: lists of {name!r} differ in length; give all clips lists of the same length."
        )
    return values.reshape(len(cells), max(lengths, default=0))


def _check_numbers(path: Path) -> None:
    """Refuse a file whose numbers take memory out of all proportion to it.

    Raises:
        ValueError: If so.
    """
    count = count_values(path)
    if count < 0:
        raise ValueError("its footer is damaged")
    if fault := growth_fault(4 * count, path.stat().st_size):
        raise ValueError(f"its {count:,} values {fault}")


def _named(path: Path, name: str, column: pa.ChunkedArray) -> NDArray[Any]:
    """Return a column of text that was read as a dictionary, (N,)."""
    if not pa.types.is_string(column.type.value_type):
        return _flat(path, name, column.cast(column.type.value_type).combine_chunks())
    longest = max(
        (pc.max(pc.utf8_length(chunk.dictionary)).as_py() or 0 for chunk in column.chunks if chunk),
        default=0,
    )
    if 4 * longest * len(column) > LARGE:
        raise InputError(
            f"{path}: {name!r} has {len(column):,} cells of up to {longest:,} characters, which "
            "are no names; write it again."
        )
    return _flat(path, name, column.cast(column.type.value_type).combine_chunks())


def _flat(path: Path, name: str, values: pa.Array) -> NDArray[Any]:
    if values.null_count:
        raise InputError(f"{path}: {name!r} has empty cells; fill them or leave the clips out.")
    kind = values.type
    known = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_string)
    if not any(is_kind(kind) for is_kind in (*known, pa.types.is_large_string)):
        raise InputError(f"{path}: {name!r} holds {kind}; write numbers, truth values or text.")
    array: NDArray[Any] = values.to_numpy(zero_copy_only=False, writable=True)
    return array.astype(np.str_) if array.dtype == object else array  # objects are text
