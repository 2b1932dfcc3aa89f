"""The folder of OpenMIC-2018 as its archive unpacks; `musicssl.datasets.openmic` shows the tree."""

from collections.abc import Sequence
from pathlib import Path

from musicssl.corpus_folder import corpus_folder
from musicssl.errors import InputError

FOLDER = "openmic-2018"
CLASS_MAP = "class-map.json"
FEATURES = "openmic-2018.npz"
LABELS = "openmic-2018-aggregated-labels.csv"
METADATA = "openmic-2018-metadata.csv"
MARKS = (CLASS_MAP, FEATURES, LABELS, "partitions")

_COMMAND = "`python -m musicssl.datasets.openmic --root DIR --download`"
GET = f"download it with {_COMMAND}"
AGAIN = f"move the folder away and get the corpus again with {_COMMAND}"


def openmic_folder(root: str | Path | None) -> Path:
    """Find the folder of the corpus at or below `root`.

    Raises:
        InputError: If it is not there.
    """
    return corpus_folder(root, "openmic", (FOLDER,), MARKS, GET)


def check_complete(folder: Path, names: Sequence[str]) -> None:
    """Look for some files of the corpus, and for its partitions.

    Raises:
        InputError: If one is missing.
    """
    missing = [name for name in names if not (folder / name).is_file()]
    for split in ("train", "test"):
        if not any(path.is_file() for path in partition_paths(folder, split)):
            missing.append(f"partitions/split01_{split}.csv")
    if missing:
        raise InputError(f"{folder} is incomplete, it lacks {', '.join(missing)}; {AGAIN}.")


def partition_paths(folder: Path, split: str) -> tuple[Path, Path]:
    """Where the list of a split may lie: the archive has the first name, its README the second."""
    partitions = folder / "partitions"
    return partitions / f"split01_{split}.csv", partitions / f"{split}01.txt"


def audio_path(key: str) -> str:
    """Where the sound of a clip lies in the folder.

    >>> audio_path("000046_3840")
    'audio/000/000046_3840.ogg'
    """
    return f"audio/{key[:3]}/{key}.ogg"
