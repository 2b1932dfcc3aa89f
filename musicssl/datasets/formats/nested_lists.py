"""Columns of nested lists in Parquet files, to and from arrays.

A cell of embeddings is a list of D numbers; of T such lists for embeddings with time; of L such
lists for embeddings with layers; or of L lists of T lists. T may differ between cells.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from musicssl.errors import InputError
from musicssl.limits import growth_fault

_LISTS = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
_NUMBERS = (pa.types.is_integer, pa.types.is_floating)


def depth(kind: pa.DataType) -> int:
    """Return how many lists lie around each value of a type."""
    levels = 0
    while any(is_list(kind) for is_list in _LISTS):
        kind, levels = kind.value_type, levels + 1
    return levels


def to_nested(arrays: Sequence[NDArray[Any]]) -> pa.Array:
    """Return a column whose cells are arrays of one number of dimensions, of any sizes."""
    values = np.concatenate([array.reshape(-1) for array in arrays])
    column = pa.array(values)
    for axis in reversed(range(arrays[0].ndim)):
        sizes = [
            np.full(int(np.prod(array.shape[:axis])), array.shape[axis], np.int64)
            for array in arrays
        ]
        ends = np.concatenate([[0], np.cumsum(np.concatenate(sizes))])
        column = pa.ListArray.from_arrays(pa.array(ends, pa.int32()), column)
    return column


def from_nested(
    path: Path, name: str, column: pa.ChunkedArray, time_axis: int | None
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return nested lists as one array, padded with zeros in time, and the lengths of its cells.

    Args:
        path: Path of the file, for messages.
        name: Name of the column, for messages.
        column: N cells.
        time_axis: Axis of the array along which cells may differ in length, 1 or 2; None if they
            may not.

    Returns:
        An array, (N, ...), and the length of each cell along `time_axis`, (N,); 1 without it.

    Raises:
        InputError: If there are empty cells, other values than numbers, lists of different lengths
            along another axis, or too little memory for the padding.
    """
    pieces = [_peeled(path, name, chunk) for chunk in column.chunks if len(chunk)]
    if not pieces:
        raise InputError(f"{path}: {name!r} has no rows; write it again with clips.")
    sizes = [np.concatenate(parts) for parts in zip(*(p[0] for p in pieces), strict=True)]
    shape = [len(column)]
    for axis, of_axis in enumerate(sizes, start=1):
        if axis != time_axis and len(np.unique(of_axis)) != 1:
            raise InputError(
                f"{path}: lists of {name!r} differ in length; give all clips lists of the same "
                "length, but for the instances of a clip."
            )
        shape.append(int(of_axis.max(initial=0)))
    values = [piece[1] for piece in pieces]
    if time_axis is None:
        return np.concatenate(values).reshape(shape), np.ones(len(column), np.int64)
    lengths = sizes[time_axis - 1]
    if time_axis == 2:  # (N, L, T, ...): one length for all layers of a clip
        of_layers = lengths.reshape(len(column), -1)
        if (of_layers != of_layers[:, :1]).any():
            raise InputError(f"{path}: layers of a clip in {name!r} differ in length; mend them.")
        lengths = of_layers[:, 0]
    return _padded(path, values, shape, lengths, time_axis), lengths


def _padded(
    path: Path,
    values: Sequence[NDArray[Any]],
    shape: Sequence[int],
    lengths: NDArray[np.int64],
    time_axis: int,
) -> NDArray[Any]:
    padded = math.prod(shape) * values[0].dtype.itemsize
    cure = "leave out the longest clips, or divide them"
    if fault := growth_fault(padded, sum(piece.nbytes for piece in values)):
        where = f"padding all clips to the {shape[time_axis]:,} instances of the longest"
        raise InputError(f"{path}: {where} {fault}; {cure}.")
    try:
        array = np.zeros(shape, values[0].dtype)
    except MemoryError:
        raise InputError(
            f"{path}: clips padded to {shape[time_axis]:,} instances do not fit into memory; "
            f"{cure}."
        ) from None
    cells = iter(zip(array, lengths.tolist(), strict=True))
    for piece in values:
        begin = 0
        while begin < len(piece):
            cell, length = next(cells)
            part = cell[:length] if time_axis == 1 else cell[:, :length]
            part[...] = piece[begin : begin + part.size].reshape(part.shape)
            begin += part.size
    return array


def _peeled(path: Path, name: str, cells: pa.Array) -> tuple[list[NDArray[np.int64]], NDArray[Any]]:
    """Return the lengths of the lists at each level, and the values of all of them."""
    sizes = []
    while any(is_list(cells.type) for is_list in _LISTS):
        _check_full(path, name, cells)
        sizes.append(pc.list_value_length(cells).to_numpy(zero_copy_only=False).astype(np.int64))
        cells = cells.flatten()
    _check_full(path, name, cells)
    if not any(is_kind(cells.type) for is_kind in _NUMBERS):
        raise InputError(f"{path}: {name!r} holds {cells.type}; write numbers.")
    return sizes, cells.to_numpy(zero_copy_only=False, writable=True)


def _check_full(path: Path, name: str, cells: pa.Array) -> None:
    if cells.null_count:
        raise InputError(f"{path}: {name!r} has empty cells; fill them or leave the clips out.")
