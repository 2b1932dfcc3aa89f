"""Embeddings in an .npz file: an array for each thing that is known, by its name."""

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any
from zipfile import BadZipFile, is_zipfile

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
        if not is_zipfile(path):  # numpy would take it for a pickle
            raise BadZipFile("it was cut off or is of another kind")
        with path.open("rb") as file, np.load(file, allow_pickle=False) as npz:
            return {name: npz[name] for name in npz.files if name in names}
    except ValueError as error:
        raise _unreadable(path, "an array in it is damaged or of objects") from error
    except (OSError, EOFError, RuntimeError, KeyError, TypeError, BadZipFile, zlib.error) as error:
        raise _unreadable(path, str(error)) from error


def _unreadable(path: Path, why: str) -> InputError:
    return InputError(
        f"{path} cannot be read as .npz ({why}); write it again with numpy.savez, text as text and "
        "not as objects."
    )
