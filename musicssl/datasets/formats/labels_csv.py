"""labels.csv: the labels of a user's own audio, one row for each file.

UTF-8, a header, cells separated by commas, semicolons or tabs. `path` is relative to the root, with
`/`; `label` has one class, or `labels` several, separated by `;`. An empty cell means that the file
is unlabelled. Optional columns are `split` (train, val or test), `group` (files that a split keeps
together, such as those of an artist or a song) and `fold`. Columns may have other names, which the
settings then state.

See `label_rows` for what is tolerated in the table, `label_cells` for lists and other separators in
a cell, and `listed_files` for how paths may be written.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from musicssl.data.corpus import SPLITS
from musicssl.datasets.base.options import typed_setting
from musicssl.datasets.formats.label_cells import one_label_each, several_labels_each
from musicssl.datasets.formats.label_rows import LabelRows, read_label_rows
from musicssl.datasets.formats.listed_files import ListedFiles
from musicssl.errors import InputError

COLUMNS = ("path", "label", "labels", "split", "group", "fold")
_OTHER_NAMES = {  # how other tables call these columns
    "path": ("filename", "file", "fname", "file_name", "filepath", "file_path", "audio", "id"),
    "label": ("class", "category", "instrument", "genre", "target", "tags", "classname"),
}


@dataclass(frozen=True)
class LabelTable:
    """The columns of labels.csv; each maps the path of a file to its cell.

    Attributes:
        labels: The classes of each file; () if it is unlabelled.
        split: "train", "val" or "test", or None without that column.
        group: Group that a split keeps together, "" for a file without one, or None.
        fold: Name of a fold, or None.
    """

    labels: dict[str, tuple[str, ...]]
    split: dict[str, str] | None = None
    group: dict[str, str] | None = None
    fold: dict[str, str] | None = None


def read_label_table(
    file: Path,
    root: Path,
    extra_columns: Collection[str] = (),
    columns: Mapping[str, str | None] | None = None,
    separator: str | None = None,
) -> LabelTable:
    """Read labels.csv.

    Args:
        file: The table.
        root: Folder of the files.
        extra_columns: Names of columns to ignore, possibly of `COLUMNS`.
        columns: Names in the header by those of `COLUMNS`, if they differ; None for the same.
        separator: What is between the classes of a cell in `labels`; None for `;`.

    Raises:
        InputError: If the file is missing, empty or no table in UTF-8, a column is unknown, missing
            or duplicate, a path is duplicate or outside of the root, labels are separated
            otherwise, a split is unknown, or a file does not exist.
    """
    extra = {normalize("NFC", str(name)) for name in extra_columns}
    given = _given_names(columns, extra)
    rows = read_label_rows(file, given.get("path", "path"))
    name_of = _found_columns(rows, given, extra)
    files = ListedFiles(root)
    paths = _paths(rows, rows.columns[name_of["path"]], files)
    if "split" in name_of:
        _check_splits(rows, rows.columns[name_of["split"]])

    def by_path(name: str) -> dict[str, str] | None:
        if name not in name_of:
            return None
        return dict(zip(paths, rows.columns[name_of[name]], strict=True))

    labels = dict(zip(paths, _labels(rows, name_of, separator), strict=True))
    files.check(labels)
    return LabelTable(labels, by_path("split"), by_path("group"), by_path("fold"))


def choose_classes(table: LabelTable, chosen: Sequence[str] | None) -> tuple[str, ...]:
    """Return the chosen classes, or if `chosen` is None all classes of the table, sorted.

    Raises:
        InputError: If no file of the table has a chosen class, or one is chosen twice.
    """
    counts = Counter(name for labels in table.labels.values() for name in labels)
    if chosen is None:
        return tuple(sorted(counts))
    classes = tuple(normalize("NFC", str(name)) for name in chosen)
    for name in classes:
        if name not in counts:
            raise InputError(
                f"dataset.classes: no file is labelled {name!r}{_guess(name, counts)}; leave it "
                "out or label some."
            )
    if len(set(classes)) < len(classes):
        raise InputError(f"dataset.classes names a class twice: {', '.join(classes)}.")
    return classes


def targets(
    table: LabelTable, clip_ids: Sequence[str], classes: Sequence[str], task: str = "multi_label"
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return the labels of some clips as `y` and `mask`, both (N, C).

    A clip with labels is observed for every class, even if it has none of the classes. With the
    task "multi_class", where each clip is of one class, a clip of another class is unlabelled.
    """
    y = np.zeros((len(clip_ids), len(classes)), np.float32)
    mask = np.zeros(y.shape, bool)
    column = {name: index for index, name in enumerate(classes)}
    for row, clip_id in enumerate(clip_ids):
        labels = table.labels.get(clip_id, ())
        known = [column[name] for name in labels if name in column]
        mask[row] = bool(known if task == "multi_class" else labels)
        y[row, known] = 1
    return y, mask


def check_one_label(table: LabelTable) -> None:
    """Check that no file has several labels.

    Raises:
        InputError: If one has.
    """
    several = {path: names for path, names in table.labels.items() if len(names) > 1}
    if several:
        path, names = next(iter(several.items()))
        raise InputError(
            f"dataset.task=multi_class needs exactly one label for each labelled file, but "
            f"{path} has {len(names)}: {', '.join(names)} (such files: {len(several)}); correct "
            "them, or set dataset.task=multi_label."
        )


def _given_names(
    columns: Mapping[str, str | None] | None, extra: Collection[str]
) -> dict[str, str]:
    """Return the names of columns that the user states."""
    for name in columns or {}:
        if name not in COLUMNS:
            raise InputError(
                f"there is no setting dataset.columns.{name}; use one of {', '.join(COLUMNS)}."
            )
    given = {name: normalize("NFC", str(own)) for name, own in (columns or {}).items() if own}
    for name, own in given.items():
        if own in extra:
            raise InputError(
                f"dataset.extra_columns names {own!r}, which dataset.columns.{name} names too; "
                "leave it out of one of them."
            )
    return given


def _found_columns(
    rows: LabelRows, given: Mapping[str, str], extra: Collection[str]
) -> dict[str, str]:
    """Return the names in the header by those of `COLUMNS`, for the columns that there are."""
    read = [name for name in rows.header if name not in extra]
    for name in read:
        if read.count(name) > 1:
            raise InputError(f"{rows.file} has two columns {name!r}; remove or rename one.")
    for name, own in given.items():
        if own not in read:
            raise InputError(
                f"{rows.file} has no column {own!r} (dataset.columns.{name})"
                f"{_guess(own, read)}; its columns are {', '.join(rows.header)}."
            )
    other = {"label": "labels", "labels": "label"}  # a stated one goes before the other
    name_of = {
        name: given.get(name, name)
        for name in COLUMNS
        if name in given or (name in read and other.get(name) not in given)
    }
    _check_required(rows, name_of)
    _check_unknown(rows, [name for name in read if name not in name_of.values()], extra)
    return name_of


def _check_required(rows: LabelRows, name_of: Mapping[str, str]) -> None:
    """Check that the columns of paths and of labels are there, and which one of labels."""
    if "path" not in name_of:
        raise InputError(f"{rows.file} has no column 'path'; {_renaming(rows, 'path')}.")
    if "label" in name_of and "labels" in name_of:
        raise InputError(
            f"{rows.file} has both columns {name_of['label']!r} and {name_of['labels']!r}; use "
            "'label' for one class per file or 'labels' for several separated by ';'."
        )
    if "label" not in name_of and "labels" not in name_of:
        raise InputError(
            f"{rows.file} has no column of labels, 'label' for one class per file or 'labels' for "
            f"several separated by ';'; {_renaming(rows, 'label')}."
        )


def _renaming(rows: LabelRows, name: str) -> str:
    """Suggest the column that is probably meant, or how to name it."""
    spelt = {column.lower(): column for column in rows.header}
    likely = next((spelt[usual] for usual in _OTHER_NAMES[name] if usual in spelt), None)
    setting = typed_setting(f"dataset.columns.{name}", likely or "NAME")
    return f"its columns are {', '.join(rows.header)}; rename one, or set {setting}"


def _check_unknown(rows: LabelRows, unknown: Sequence[str], extra: Collection[str]) -> None:
    if not unknown:
        return
    names = ", ".join(f"{name!r}{_guess(name, COLUMNS)}" for name in unknown)
    setting = typed_setting("dataset.extra_columns", [*sorted(extra), *unknown])
    raise InputError(
        f"{rows.file}: unknown column{'s' if len(unknown) > 1 else ''} {names}; use "
        f"{', '.join(COLUMNS)}, or leave them unread with {setting}."
    )


def _guess(name: str, names: Collection[str]) -> str:
    guess = get_close_matches(name, names, n=1)
    return f" (did you mean {guess[0]!r}?)" if guess else ""


def _labels(
    rows: LabelRows, name_of: Mapping[str, str], separator: str | None
) -> list[tuple[str, ...]]:
    if "labels" in name_of:
        column = name_of["labels"]
        cells = rows.columns[column]
        return several_labels_each(rows.file, rows.lines, cells, column, separator)
    column = name_of["label"]
    return one_label_each(rows.file, rows.lines, rows.columns[column], column)


def _paths(rows: LabelRows, cells: Sequence[str], files: ListedFiles) -> list[str]:
    """Return the paths of the files, which are different ones."""
    first_line: dict[str, int] = {}
    for line, cell in zip(rows.lines, cells, strict=True):
        try:
            path = files.path(cell)
        except InputError as error:
            raise InputError(f"{rows.file}, line {line}: {error}") from error
        if path in first_line:
            raise InputError(
                f"{rows.file}, line {line}: path {cell!r} is already in line {first_line[path]}; "
                "give each file one row."
            )
        first_line[path] = line
    return list(first_line)


def _check_splits(rows: LabelRows, cells: Sequence[str]) -> None:
    for line, cell in zip(rows.lines, cells, strict=True):
        if cell not in SPLITS:
            raise InputError(
                f"{rows.file}, line {line}: unknown split {cell!r}{_guess(cell.lower(), SPLITS)}; "
                f"use {', '.join(SPLITS)}."
            )
