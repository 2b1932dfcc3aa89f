"""The files of OpenMIC-2018; see `musicssl.datasets.openmic` for the folder tree."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from musicssl.datasets.base.folder import corpus_folder
from musicssl.datasets.formats.tables import annotation_text, read_table
from musicssl.errors import InputError
from musicssl.limits import DAMAGE, check_arrays

FOLDER = "openmic-2018"
CLASS_MAP = "class-map.json"
FEATURES = "openmic-2018.npz"
LABELS = "openmic-2018-aggregated-labels.csv"
METADATA = "openmic-2018-metadata.csv"
MARKS = (CLASS_MAP, FEATURES, LABELS, "partitions")
_COMMAND = "`python -m musicssl.datasets.openmic --root DIR --download`"
GET = f"download it with {_COMMAND}"
REDOWNLOAD_HINT = f"move the folder away and get the corpus again with {_COMMAND}"
CLASSES = (
    "accordion",
    "banjo",
    "bass",
    "cello",
    "clarinet",
    "cymbals",
    "drums",
    "flute",
    "guitar",
    "mallet_percussion",
    "mandolin",
    "organ",
    "piano",
    "saxophone",
    "synthesizer",
    "trombone",
    "trumpet",
    "ukulele",
    "violin",
    "voice",
)
INSTANCE_SHAPE = (10, 128)  # (T, F)
INSTANCE_SECONDS = 0.96
SAMPLE_RATE = 16_000  # Hz
SCALINGS = {"unit": (0, 255), "centred": (128, 256)}  # x -> (x - offset) / scale


def openmic_folder(root: str | Path | None) -> Path:
    """Find the folder of the corpus at or below `root`.

    Raises:
        InputError: If it is not found.
    """
    return corpus_folder(root, "openmic", (FOLDER,), MARKS, GET)


def check_complete(folder: Path, names: Sequence[str]) -> None:
    """Check that some files of the corpus, and its partitions, exist.

    Raises:
        InputError: If a file is missing.
    """
    missing = [name for name in names if not (folder / name).is_file()]
    for split in ("train", "test"):
        if not any(path.is_file() for path in partition_paths(folder, split)):
            missing.append(f"partitions/split01_{split}.csv")
    if missing:
        raise InputError(
            f"{folder} is incomplete, it lacks {', '.join(missing)}; {REDOWNLOAD_HINT}."
        )


def partition_paths(folder: Path, split: str) -> tuple[Path, Path]:
    """Return the possible paths of the list of a split, as in the archive and in its README."""
    partitions = folder / "partitions"
    return partitions / f"split01_{split}.csv", partitions / f"{split}01.txt"


def audio_path(key: str) -> str:
    """Return the path of a clip's sound relative to the folder.

    >>> audio_path("000046_3840")
    'audio/000/000046_3840.ogg'
    """
    return f"audio/{key[:3]}/{key}.ogg"


def check_class_map(path: Path) -> None:
    """Check that a class map has `CLASSES` in their order.

    Raises:
        InputError: If it has not.
    """
    text = annotation_text(path, REDOWNLOAD_HINT)
    try:
        class_map = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{path} is damaged ({error}); {REDOWNLOAD_HINT}.") from error
    if class_map != {name: column for column, name in enumerate(CLASSES)}:
        raise InputError(f"{path} does not hold the 20 classes of OpenMIC-2018; {REDOWNLOAD_HINT}.")


def read_partitions(folder: Path) -> dict[str, str]:
    """Read the split of each clip, "train" or "test", in the order of the sorted keys.

    Raises:
        InputError: If a list is empty or unreadable, or a clip is in two lists or twice in one.
    """
    split_of: dict[str, str] = {}
    for split in ("train", "test"):
        path = next(path for path in partition_paths(folder, split) if path.is_file())
        keys = annotation_text(path, REDOWNLOAD_HINT).split()
        if not keys:
            raise InputError(f"{path} is empty; {REDOWNLOAD_HINT}.")
        for key in keys:
            if key in split_of:
                raise InputError(
                    f"{path} names clip {key!r}, which is already used; {REDOWNLOAD_HINT}."
                )
            split_of[key] = split
    return dict(sorted(split_of.items()))


def read_artists(folder: Path, keys: Sequence[str]) -> NDArray[np.str_] | None:
    """Read the artist of each clip, (N,); return None if the file is missing.

    Raises:
        InputError: If the file is unreadable or lacks a clip.
    """
    path = folder / METADATA
    if not path.is_file():
        return None
    table = read_table(path, ("sample_key", "artist_id"), REDOWNLOAD_HINT)
    artist_of = {row["sample_key"]: row["artist_id"] for _, row in table}
    artists = [artist_of.get(key, "") for key in keys]
    if "" in artists:
        raise InputError(
            f"{path} names no artist for {artists.count('')} of {len(keys)} clips, "
            f"the first is {keys[artists.index('')]!r}; complete it, or remove it to do without "
            "artists."
        )
    return np.array(artists)


class Labels(NamedTuple):
    """The labels of N clips.

    Attributes:
        relevance: 0.5 plus or minus half the confidence in the majority's answer, (N, 20) float64;
            arbitrary where `mask` is False.
        mask: True where annotators were asked about the instrument, (N, 20) bool.
    """

    relevance: NDArray[np.float64]
    mask: NDArray[np.bool_]

    def targets(self, threshold: float) -> NDArray[np.float32]:
        """Return 1 for instruments that are observed with at least this relevance, (N, 20).

        Raises:
            InputError: If the threshold is not in (0, 1].
        """
        if not 0 < threshold <= 1:
            raise InputError(
                f"dataset.threshold is a relevance in (0, 1], not {threshold}; try 0.5."
            )
        return ((self.relevance >= threshold) & self.mask).astype(np.float32)


def read_labels(path: Path, keys: Sequence[str]) -> Labels:
    """Read the labels of some clips.

    Raises:
        InputError: If the table is unreadable or malformed, or has other clips.
    """
    row_of = {key: row for row, key in enumerate(keys)}
    column_of = {name: column for column, name in enumerate(CLASSES)}
    relevance = np.full((len(keys), len(CLASSES)), 0.5)
    mask = np.zeros(relevance.shape, dtype=bool)
    for location, row in read_table(
        path, ("sample_key", "instrument", "relevance"), REDOWNLOAD_HINT
    ):
        key, instrument, text = row["sample_key"], row["instrument"], row["relevance"]
        value = _relevance(text)
        if key not in row_of or instrument not in column_of or value is None:
            raise InputError(
                f"{location} must have a known clip, a known instrument and a relevance in [0, 1], "
                f"got {key!r}, {instrument!r}, {text!r}; {REDOWNLOAD_HINT}."
            )
        cell = row_of[key], column_of[instrument]
        relevance[cell], mask[cell] = value, True
    return Labels(relevance, mask)


def check_same(rated: Labels, stored: Labels, keys: Sequence[str]) -> None:
    """Check that the labels of the table equal those of the npz.

    Raises:
        InputError: If they differ.
    """
    close = np.abs(rated.relevance - stored.relevance) < 1e-6
    same = (rated.mask == stored.mask) & (~stored.mask | close)
    if same.all():
        return
    if _sorted_rows(rated) == _sorted_rows(stored):
        raise InputError(
            f"the clips of {FEATURES} are in another order than the partitions, so its labels and "
            f"features would be those of other clips; {REDOWNLOAD_HINT}."
        )
    row, column = np.argwhere(~same)[0]
    raise InputError(
        f"{LABELS} and {FEATURES} disagree in {(~same).sum()} labels, {CLASSES[column]!r} of "
        f"clip {keys[row]!r} being the first, so they do not belong together; "
        f"{REDOWNLOAD_HINT}, or use those of the npz with dataset.labels=npz."
    )


def _sorted_rows(labels: Labels) -> list[list[float]]:
    """Return the labels of all clips in an order of their own, -1 where there is none."""
    return sorted(np.where(labels.mask, labels.relevance.round(5), -1).tolist())


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
    # In float32 and in place: a copy of the int64 array would have twice the size of the result.
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


def _relevance(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value <= 1 else None


def _member(
    path: Path, name: str, shape: tuple[int, ...], kind: type[Any], top: int
) -> NDArray[Any]:
    """Read and check one array of the npz; `sample_key`, a pickle, is never read."""
    try:
        check_arrays(path, [name])
        with path.open("rb") as file, np.load(file, allow_pickle=False) as npz:
            array: NDArray[Any] = npz[name]
    except DAMAGE as error:
        raise InputError(f"{path} is damaged ({error}); {REDOWNLOAD_HINT}.") from error
    if array.ndim and len(array) != shape[0]:
        raise InputError(
            f"{path} has {len(array)} clips, but the partitions have {shape[0]}; {REDOWNLOAD_HINT}."
        )
    is_duration = array.dtype.kind == "m"  # which counts as an integer
    if array.shape != shape or is_duration or not np.issubdtype(array.dtype, kind):
        raise InputError(
            f"{path}: {name} is {array.dtype} of shape {array.shape}, not {kind.__name__} of "
            f"shape {shape}; {REDOWNLOAD_HINT}."
        )
    if not (array.min() >= 0 and array.max() <= top):  # also True for NaN
        raise InputError(f"{path}: {name} has values outside of 0 to {top}; {REDOWNLOAD_HINT}.")
    return array
