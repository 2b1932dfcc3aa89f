"""Files of embeddings, .npz or .parquet, with labels and splits of their clips.

A .npz file has one array for each field; of a .parquet file see
`musicssl.datasets.formats.embeddings_parquet`.

Embeddings that a .npz file holds as uncompressed float32 are mapped; those of other files are read.
"""

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any
from zipfile import BadZipFile, ZipFile, is_zipfile

import numpy as np
from numpy.typing import NDArray

from musicssl.data.corpus import Corpus
from musicssl.datasets.formats.mapped_npz import map_array, write_array
from musicssl.errors import InputError
from musicssl.limits import check_arrays

_NUMBERS, _TEXT = "fiu", "USiu"  # kinds of dtypes; a name of a clip may be a number
_CHUNK = 1 << 22  # numbers at a time


@dataclass(frozen=True, eq=False)
class SavedEmbeddings:
    """Embeddings of N clips and their labels; None for fields that the file does not have.

    Embeddings have three dimensions with time or with layers: `layers` tells them apart.

    Attributes:
        embeddings: Embeddings, (N, D), (N, T, D), (N, L, D) or (N, L, T, D) float32, an array or a
            memory map.
        clip_ids: A unique name of each clip, (N,) str.
        targets: Targets, (N, C) float32; arbitrary where `mask` is False.
        mask: True where the target was observed, (N, C) bool.
        split: "train", "val" or "test" of each clip, (N,) str.
        classes: The name of each class, in column order, (C,) str.
        task: The task of the targets; see `musicssl.data.corpus.Corpus`.
        groups: Groups that a split keeps together, (N,) str.
        credit: Credit of an answer, (C, C) float32; see `musicssl.data.corpus.Corpus`.
        lengths: Valid instances of each clip, (N,) int64; None without time, or if all T are valid.
        times: Begin and end of each instance in seconds, (N, T, 2) float64; 0 for padding.
        layers: The name of each layer, (L,) str; in a file with (N, L, T, D) that does not name
            them "0", "1" and so on.
        widths: Features of each layer, (L,) int64, the others of its D being zeros; None if it
            has all D.
    """

    embeddings: NDArray[np.float32]
    clip_ids: NDArray[np.str_]
    targets: NDArray[np.float32] | None = None
    mask: NDArray[np.bool_] | None = None
    split: NDArray[np.str_] | None = None
    classes: NDArray[np.str_] | None = None
    task: str | None = None
    groups: NDArray[np.str_] | None = None
    credit: NDArray[np.float32] | None = None
    lengths: NDArray[np.int64] | None = None
    times: NDArray[np.float64] | None = None
    layers: NDArray[np.str_] | None = None
    widths: NDArray[np.int64] | None = None

    @property
    def has_time(self) -> bool:
        """Whether a clip has T instances."""
        return self.embeddings.ndim == (3 if self.layers is None else 4)


def saved_embeddings(path: Path, arrays: Mapping[str, NDArray[Any]]) -> SavedEmbeddings:
    """Check the arrays of a file and return them; names not in `SavedEmbeddings` are ignored.

    Raises:
        InputError: If embeddings or names of clips are missing, embeddings have other dimensions
            or are not finite, numbers of clips disagree, names repeat, or an array has a wrong
            type.
    """
    for name in ("embeddings", "clip_ids"):
        if name not in arrays:
            raise InputError(
                f"{path} has no {name!r}; a file of embeddings needs 'embeddings', (N, D), and "
                "'clip_ids', (N,), the name of each clip."
            )
    shape = arrays["embeddings"].shape
    if not 2 <= len(shape) <= 4 or not arrays["embeddings"].size:
        raise InputError(
            f"{path}: embeddings have shape {shape}; give each clip one vector, (N, D), or several "
            "of them: (N, T, D) with time, (N, L, D) with layers, (N, L, T, D) with both."
        )
    checked = {
        name: _CHECKS[name](path, name, array) for name, array in arrays.items() if name in _CHECKS
    }
    if "task" in checked:
        checked["task"] = str(checked["task"])
    if len(shape) == 4 and "layers" not in checked:
        checked["layers"] = np.arange(shape[1]).astype(np.str_)
    saved = SavedEmbeddings(**checked)
    _check_axes(path, saved)
    _check_shapes(path, saved)
    _check_clips(path, saved)
    return saved


def write_npz(file: IO[bytes], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays without compression, which would hardly make embeddings smaller."""
    with ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            write_array(archive, name, array.shape, [array], array.dtype)


def read_npz(path: Path, names: frozenset[str]) -> dict[str, NDArray[Any]]:
    """Read the existing arrays among some names; pickles are never loaded.

    Embeddings are mapped where the file allows it; see `musicssl.datasets.formats.mapped_npz`.

    Raises:
        InputError: If the file is damaged, or an array is a pickle.
    """
    try:
        if not is_zipfile(path):  # numpy would try to read it as a pickle
            raise BadZipFile("it is truncated or of another format")
        check_arrays(path, names)
        mapped = map_array(path, "embeddings") if "embeddings" in names else None
        found = {} if mapped is None else {"embeddings": mapped}
        with path.open("rb") as file, np.load(file, allow_pickle=False) as npz:
            wanted = [name for name in npz.files if name in names and name not in found]
            return found | {name: npz[name] for name in wanted}
    except (ValueError, TokenError, SyntaxError, RecursionError) as error:
        raise _unreadable(path, "an array in it is damaged or contains objects") from error
    except (OSError, EOFError, RuntimeError, KeyError, TypeError, BadZipFile, zlib.error) as error:
        raise _unreadable(path, str(error)) from error
    except MemoryError as error:
        raise _unreadable(path, "its arrays do not fit into memory") from error


def _write_parquet(file: IO[bytes], arrays: Mapping[str, NDArray[Any]]) -> None:
    from musicssl.datasets.formats.embeddings_parquet import write_parquet  # 0.1 s for pyarrow

    write_parquet(file, arrays)


def _read_parquet(path: Path, names: frozenset[str]) -> dict[str, NDArray[Any]]:
    from musicssl.datasets.formats.embeddings_parquet import read_parquet  # as above

    return read_parquet(path, names)


def save_embeddings(path: Path, corpus: Corpus, layers: Sequence[str] = ()) -> None:
    """Write a corpus of embeddings atomically, in the format given by the suffix.

    Args:
        path: Path with the suffix .npz or .parquet; an existing file is replaced.
        corpus: A corpus with `x` of shape (N, 1, D), see `embedded_corpus`; or (N, L, D).
        layers: The name of each layer, (L,); none for (N, 1, D).

    Raises:
        InputError: If the suffix is another one, or the file cannot be written.
    """
    write = _WRITE[checked_suffix(path)]
    with atomic_file(path) as file:
        write(file, _arrays(corpus, layers))


def check_embeddings_file(path: Path) -> None:
    """Check that a file is there and has a suffix that can be read.

    Raises:
        InputError: If not.
    """
    checked_suffix(path)
    if not path.is_file():
        raise InputError(f"there is no file of embeddings {path}; check the path.")


def read_embeddings(path: Path) -> SavedEmbeddings:
    """Read a file of embeddings of any origin: only `embeddings` and `clip_ids` are required.

    In a .parquet file these are the columns `embedding`, of lists, and `clip_id`. Unknown names are
    ignored.

    Raises:
        InputError: If the file does not exist, its suffix is neither .npz nor .parquet, it is
            damaged, or its arrays do not fit together; see `saved_embeddings`.
    """
    read = _READ[checked_suffix(path)]
    check_embeddings_file(path)
    return saved_embeddings(path, read(path, _NAMES))


def checked_suffix(path: Path) -> str:
    """Return the suffix of a file of embeddings.

    Raises:
        InputError: If it is neither .npz nor .parquet.
    """
    if path.suffix not in _WRITE:
        raise InputError(f"embeddings are stored in .npz or .parquet files, not in {path.name!r}.")
    return path.suffix


def _text(path: Path, name: str, array: NDArray[Any]) -> NDArray[np.str_]:
    if array.dtype.kind not in _TEXT:
        raise InputError(f"{path}: {name} is {array.dtype}; make it text.")
    return array.astype(np.str_)


def _numbers(path: Path, name: str, array: NDArray[Any]) -> NDArray[np.float32]:
    if array.dtype.kind not in _NUMBERS:
        raise InputError(f"{path}: {name} is {array.dtype}; make it float32.")
    with np.errstate(over="ignore"):  # numbers too large for float32 become infinite: an error
        return array.astype(np.float32, copy=False)


def _counts(path: Path, name: str, array: NDArray[Any]) -> NDArray[np.int64]:
    if array.dtype.kind not in "iu":
        raise InputError(f"{path}: {name} is {array.dtype}; make it int64.")
    return array.astype(np.int64, copy=False)


def _seconds(path: Path, name: str, array: NDArray[Any]) -> NDArray[np.float64]:
    if array.dtype.kind not in _NUMBERS:
        raise InputError(f"{path}: {name} is {array.dtype}; make it float64.")
    return array.astype(np.float64, copy=False)


def _bools(path: Path, name: str, array: NDArray[Any]) -> NDArray[np.bool_]:
    if array.dtype != np.bool_:
        raise InputError(f"{path}: {name} is {array.dtype}; make it bool.")
    return array


def _check_axes(path: Path, saved: SavedEmbeddings) -> None:
    """Check that times and layers are given only for embeddings that have them."""
    shape = saved.embeddings.shape
    if saved.layers is None and saved.widths is not None:
        raise InputError(f"{path} has 'widths' without 'layers'; name the layers, (L,).")
    names = [] if saved.layers is None else saved.layers.ravel().tolist()
    if len(set(names)) < len(names):
        raise InputError(f"{path}: two of the layers have one name: {', '.join(names)}.")
    if saved.layers is not None and len(shape) == 2:
        raise InputError(
            f"{path} names layers, but embeddings have shape {shape}; with layers they are "
            "(N, L, D) or (N, L, T, D)."
        )
    for name in ("lengths", "times"):
        if getattr(saved, name) is not None and not saved.has_time:
            also = " and 'layers'" if saved.layers is not None else ""
            raise InputError(
                f"{path} has {name!r}{also}, but embeddings have shape {shape}; with time they are "
                "(N, T, D), with layers too (N, L, T, D)."
            )


def _check_shapes(path: Path, saved: SavedEmbeddings) -> None:
    num_clips = len(saved.embeddings)
    num_layers = 0 if saved.layers is None else saved.embeddings.shape[1]
    classes = saved.classes if saved.classes is not None else saved.targets
    num_classes = 0 if classes is None else classes.shape[-1] if classes.ndim else 0
    expected = {
        "clip_ids": (num_clips,),
        "split": (num_clips,),
        "groups": (num_clips,),
        "targets": (num_clips, num_classes),
        "mask": (num_clips, num_classes),
        "classes": (num_classes,),
        "credit": (num_classes, num_classes),
        "lengths": (num_clips,),
        "times": (num_clips, *saved.embeddings.shape[-2:-1], 2),
        "layers": (num_layers,),
        "widths": (num_layers,),
    }
    sizes = f"{num_clips} embeddings and {num_classes} classes"
    if num_layers:
        sizes += f" and {num_layers} layers"
    for name, shape in expected.items():
        array = getattr(saved, name)
        if array is not None and array.shape != shape:
            raise InputError(
                f"{path}: {name} has shape {array.shape}, but {sizes} need {shape}; write all "
                "arrays together."
            )


def _check_clips(path: Path, saved: SavedEmbeddings) -> None:
    names, counts = np.unique(saved.clip_ids, return_counts=True)
    if (counts > 1).any():
        twice = str(names[counts > 1][0])
        raise InputError(f"{path}: clip {twice!r} occurs twice; give each clip one row.")
    for name, most in (("lengths", saved.embeddings.shape[-2]), ("widths", _width(saved))):
        counts = getattr(saved, name)
        if counts is not None and not ((counts >= 1) & (counts <= most)).all():
            number = int(np.argmax((counts < 1) | (counts > most)))
            what = saved.clip_ids if name == "lengths" else saved.layers
            assert what is not None
            raise InputError(
                f"{path}: {name} has {counts[number]} for {str(what[number])!r}; they are from 1 "
                f"to {most}."
            )
    _check_finite(path, saved)


def _width(saved: SavedEmbeddings) -> int:
    return int(saved.embeddings.shape[-1])


def _check_finite(path: Path, saved: SavedEmbeddings) -> None:
    """Refuse embeddings that are not finite; a memory map is read a part at a time."""
    h = saved.embeddings
    step = max(1, _CHUNK // (h.size // len(h)))
    for begin in range(0, len(h), step):
        bad = ~np.isfinite(h[begin : begin + step]).all(axis=tuple(range(1, h.ndim)))
        if bad.any():
            clip = str(saved.clip_ids[begin + int(np.argmax(bad))])
            padding = "" if saved.lengths is None else ", in its instances or in the padding"
            raise InputError(
                f"{path}: the embedding of clip {clip!r} is NaN or infinite{padding}, or too large "
                "for float32; compute it again or leave the clip out."
            )


def _unreadable(path: Path, why: str) -> InputError:
    return InputError(
        f"{path} cannot be read as .npz ({why}); write it again with numpy.savez, with text of "
        "dtype str instead of object."
    )


def _arrays(corpus: Corpus, layers: Sequence[str]) -> dict[str, NDArray[Any]]:
    h = corpus.instances
    assert h.shape[1] == max(1, len(layers)), "one instance a clip, or one for each layer"
    arrays = {
        "embeddings": h if layers else h[:, 0],
        "layers": np.array(layers, np.str_) if layers else None,
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
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file, which replaces `path` when everything is written."""
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(path)
    except OSError as error:
        raise InputError(
            f"{path} cannot be written: {error.strerror or error}; choose another folder."
        ) from error
    finally:
        part.unlink(missing_ok=True)


_CHECKS: Mapping[str, Callable[[Path, str, NDArray[Any]], Any]] = {
    "embeddings": _numbers,
    "clip_ids": _text,
    "targets": _numbers,
    "mask": _bools,
    "split": _text,
    "classes": _text,
    "task": _text,
    "groups": _text,
    "credit": _numbers,
    "lengths": _counts,
    "times": _seconds,
    "layers": _text,
    "widths": _counts,
}
_WRITE = {".npz": write_npz, ".parquet": _write_parquet}
_READ = {".npz": read_npz, ".parquet": _read_parquet}
_NAMES = frozenset(field.name for field in fields(SavedEmbeddings))
