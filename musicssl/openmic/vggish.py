"""The VGGish instances that OpenMIC-2018 ships: ten vectors of bytes for each clip, and labels."""

import zlib
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from musicssl.errors import InputError
from musicssl.openmic.classes import CLASSES
from musicssl.openmic.folder import AGAIN
from musicssl.openmic.labels import Labels

INSTANCE_SHAPE = (10, 128)  # (T, F)
INSTANCE_SECONDS = 0.96
SAMPLE_RATE = 16_000  # Hz
SCALINGS = {"unit": (0, 255), "centred": (128, 256)}  # x -> (x - offset) / scale


def read_instances(path: Path, num_clips: int, scaling: str) -> NDArray[np.float32]:
    """Read the instances of all clips from the npz, (N, 10, 128).

    Raises:
        InputError: If the scaling is unknown or the file damaged.
    """
    if scaling not in SCALINGS:
        raise InputError(f"dataset.scaling is unit or centred, not {scaling!r}.")
    shape = (num_clips, *INSTANCE_SHAPE)
    codes = _member(path, "X", shape, np.integer, 255)
    offset, scale = SCALINGS[scaling]
    # In float32 and in place: a copy of the int64 array would be twice the result.
    x: NDArray[np.float32] = np.subtract(codes, offset, dtype=np.float32, casting="unsafe")
    x /= scale
    return x


def read_stored_labels(path: Path, num_clips: int) -> Labels:
    """Read the labels of all clips from the npz.

    Raises:
        InputError: If the file is damaged.
    """
    shape = (num_clips, len(CLASSES))
    relevance = _member(path, "Y_true", shape, np.floating, 1)
    return Labels(relevance, _member(path, "Y_mask", shape, np.bool_, 1))


def _member(
    path: Path, name: str, shape: tuple[int, ...], kind: type[Any], top: int
) -> NDArray[Any]:
    """Read one array of the npz and check it; `sample_key`, a pickle, is none of them."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as npz:
            array: NDArray[Any] = npz[name]
    except (OSError, EOFError, ValueError, KeyError, BadZipFile, zlib.error) as error:
        raise InputError(f"{path} is damaged ({error}); {AGAIN}.") from error
    if len(array) != shape[0]:
        raise InputError(
            f"{path} holds {len(array)} clips where the partitions name {shape[0]}; {AGAIN}."
        )
    if array.shape != shape or not np.issubdtype(array.dtype, kind):
        raise InputError(
            f"{path}: {name} is {array.dtype} of shape {array.shape}, not {kind.__name__} of "
            f"shape {shape}; {AGAIN}."
        )
    if not (array.min() >= 0 and array.max() <= top):  # not: NaN fails too
        raise InputError(f"{path}: {name} has values outside of 0 to {top}; {AGAIN}.")
    return array
