"""Embeddings in an .npz file: an array for each thing that is known, by its name."""

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from musicssl.errors import InputError


def write_npz(file: IO[bytes], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays; embeddings are too much like noise to be compressed."""
    np.savez(file, allow_pickle=False, **arrays)


def read_npz(path: Path, names: frozenset[str]) -> dict[str, NDArray[Any]]:
    """Read those of some arrays that there are; nothing is ever unpickled.

    Raises:
        InputError: If the file is damaged, or an array is a pickle.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as npz:
            return {name: npz[name] for name in npz.files if name in names}
    except (OSError, EOFError, ValueError, KeyError, TypeError, BadZipFile, zlib.error) as error:
        raise InputError(
            f"{path} cannot be read as .npz ({error}); write it again with numpy.savez, text as "
            "text and not as objects."
        ) from error
