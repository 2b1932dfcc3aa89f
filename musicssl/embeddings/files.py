"""Embeddings in and out of files, .npz or .parquet, with what is known of their clips."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from musicssl.data.corpus import Corpus
from musicssl.embeddings.npz_file import read_npz, write_npz
from musicssl.embeddings.parquet_file import read_parquet, write_parquet
from musicssl.embeddings.saved import SavedEmbeddings, saved_embeddings
from musicssl.errors import InputError

_WRITE = {".npz": write_npz, ".parquet": write_parquet}
_READ = {".npz": read_npz, ".parquet": read_parquet}
_NAMES = frozenset(field.name for field in fields(SavedEmbeddings))


def save_embeddings(path: Path, corpus: Corpus) -> None:
    """Write a corpus of embeddings, whole or not at all, in the format that the suffix names.

    Args:
        path: To end in .npz or .parquet; a file that is there is replaced.
        corpus: Whose `x` is (N, 1, D); see `embedded_corpus`.

    Raises:
        InputError: If the suffix is another one, or the file cannot be written.
    """
    write = _WRITE[checked_suffix(path)]
    with _written_whole(path) as file:
        write(file, _arrays(corpus))


def read_embeddings(path: Path) -> SavedEmbeddings:
    """Read embeddings, which need not be ours: only `embeddings` and `clip_ids` must be there.

    In a .parquet file these are the columns `embedding`, of lists, and `clip_id`. What has another
    name is not read.

    Raises:
        InputError: If there is no such file, its suffix is neither .npz nor .parquet, it is
            damaged, or its parts do not fit; see `saved_embeddings`.
    """
    read = _READ[checked_suffix(path)]
    if not path.is_file():
        raise InputError(f"there is no file of embeddings {path}; check the path.")
    return saved_embeddings(path, read(path, _NAMES))


def checked_suffix(path: Path) -> str:
    """Return how the name of a file of embeddings ends.

    Raises:
        InputError: If that is neither .npz nor .parquet.
    """
    if path.suffix not in _WRITE:
        raise InputError(f"embeddings are kept in .npz or .parquet files, not in {path.name!r}.")
    return path.suffix


def _arrays(corpus: Corpus) -> dict[str, NDArray[Any]]:
    assert isinstance(corpus.x, np.ndarray)
    assert corpus.x.shape[1] == 1, "a corpus of embeddings has one instance a clip"
    arrays = {
        "embeddings": corpus.x[:, 0],
        "clip_ids": corpus.clip_ids,
        "targets": corpus.y,
        "mask": corpus.mask,
        "split": corpus.split,
        "classes": np.array(corpus.classes, np.str_),
        "task": np.array(corpus.task),
        "groups": corpus.groups,
        "credit": corpus.credit,
    }
    return {name: array for name, array in arrays.items() if array is not None}


@contextmanager
def _written_whole(path: Path) -> Iterator[IO[bytes]]:
    """Open a file beside the one that is meant, whose place it takes when all is written."""
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(path)
    except OSError as error:
        raise InputError(
            f"{path} cannot be written: {error.strerror or error}; choose another place."
        ) from error
    finally:
        part.unlink(missing_ok=True)
