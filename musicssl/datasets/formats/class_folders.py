"""Folders as classes: the first folder of a path is the class of the file."""

from collections.abc import Iterable
from pathlib import Path
from unicodedata import normalize

from musicssl.datasets.formats.labels_csv import LabelTable
from musicssl.errors import InputError

_SPLITS = {"train", "training", "val", "valid", "validation", "dev", "test", "eval"}


def folder_labels(root: Path, paths: Iterable[str]) -> LabelTable:
    """Label files by the folders directly in the root.

    The class of `piano/a.wav` and of `piano/take 2/b.wav` is "piano", as in torchvision's
    `ImageFolder`. Files directly in the root are unlabelled.

    Args:
        root: The root, for messages.
        paths: Paths of the files relative to it, with `/`.

    Raises:
        InputError: If there are fewer than two such folders, or their names are those of splits.
    """
    labels = {path: _folder_of(path) for path in sorted(paths)}
    classes = sorted({name for names in labels.values() for name in names})
    if len(classes) < 2:
        found = f"only {classes[0]!r}" if classes else "none"
        below = f", such as {root / classes[0]}" if classes else ""
        raise InputError(
            f"dataset.classes_from=folders needs a folder for each class directly in {root}, but "
            f"there is {found}; set data.root to the folder that holds those of the classes{below}."
        )
    if all(name.lower() in _SPLITS for name in classes):
        raise InputError(
            f"the folders of {root} are those of splits ({', '.join(classes)}), not of classes; "
            "write a table with the columns path, label and split, and leave out "
            "dataset.classes_from."
        )
    return LabelTable(labels)


def _folder_of(path: str) -> tuple[str, ...]:
    """Return the class of a file.

    >>> _folder_of("piano/take 2/b.wav"), _folder_of("b.wav")
    (('piano',), ())
    """
    folder, _, rest = path.partition("/")
    return (normalize("NFC", folder),) if rest else ()
