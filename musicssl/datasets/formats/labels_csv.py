"""labels.csv: the labels of a user's own audio, one row for each file.

UTF-8, commas, a header. `path` is relative to the root, with `/`; `label` has one class, or
`labels` several, separated by `;`. An empty cell means that the file is unlabelled. Optional
columns are `split` (train, val or test), `group` (files that a split keeps together, such as those
of an artist or a song) and `fold`.
"""

import csv
import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from musicssl.data.corpus import SPLITS
from musicssl.errors import InputError

COLUMNS = ("path", "label", "labels", "split", "group", "fold")


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


def read_label_table(file: Path, extra_columns: Collection[str] = ()) -> LabelTable:
    """Read labels.csv.

    Args:
        file: The table; a byte order mark is tolerated, blank lines are skipped.
        extra_columns: Names of columns to ignore, possibly of `COLUMNS`.

    Raises:
        InputError: If the file is missing, empty or not UTF-8, a column is unknown, missing or
            duplicate, a row has more or fewer cells than the header, a path is duplicate or outside
            of the root, or a split is unknown.
    """
    header, rows = _read_rows(file)
    _check_header(file, header, extra_columns)
    cells = {name: [row[index] for _, row in rows] for index, name in enumerate(header)}
    columns = {name: cells[name] for name in COLUMNS if name in cells and name not in extra_columns}
    paths = _check_paths(file, [line for line, _ in rows], columns["path"])
    if "split" in columns:
        _check_splits(file, [line for line, _ in rows], columns["split"])

    def by_path(name: str) -> dict[str, str] | None:
        return dict(zip(paths, columns[name], strict=True)) if name in columns else None

    if "labels" in columns:
        labels = [_classes_of(cell) for cell in columns["labels"]]
    else:
        labels = [(cell,) if cell else () for cell in columns["label"]]
    return LabelTable(
        labels=dict(zip(paths, labels, strict=True)),
        split=by_path("split"),
        group=by_path("group"),
        fold=by_path("fold"),
    )


def choose_classes(table: LabelTable, chosen: Sequence[str] | None) -> tuple[str, ...]:
    """Return the chosen classes, or if `chosen` is None all classes of the table, sorted.

    Raises:
        InputError: If no file of the table has a chosen class, or one is chosen twice.
    """
    counts = Counter(name for labels in table.labels.values() for name in labels)
    if chosen is None:
        return tuple(sorted(counts))
    for name in chosen:
        if name not in counts:
            guess = get_close_matches(name, counts, n=1)
            hint = f" (did you mean {guess[0]!r}?)" if guess else ""
            raise InputError(
                f"dataset.classes: no file is labelled {name!r}{hint}; leave it out or label some."
            )
    if len(set(chosen)) < len(chosen):
        raise InputError(f"dataset.classes names a class twice: {', '.join(chosen)}.")
    return tuple(chosen)


def targets(
    table: LabelTable, clip_ids: Sequence[str], classes: Sequence[str]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return the labels of some clips as `y` and `mask`, both (N, C).

    A clip with labels is observed for every class, even if it has none of the classes.
    """
    y = np.zeros((len(clip_ids), len(classes)), np.float32)
    mask = np.zeros(y.shape, bool)
    column = {name: index for index, name in enumerate(classes)}
    for row, clip_id in enumerate(clip_ids):
        labels = table.labels.get(clip_id, ())
        mask[row] = bool(labels)
        y[row, [column[name] for name in labels if name in column]] = 1
    return y, mask


def fold_split(table: LabelTable, test_fold: int | str) -> dict[str, str]:
    """Return the split of each file in the table, with one fold as test and the others as train.

    Raises:
        InputError: If the table has no folds, or not that one.
    """
    if table.fold is None:
        raise InputError(
            f"dataset.test_fold={test_fold} needs a column 'fold' in the table of labels; "
            "add it or leave test_fold out."
        )
    folds = sorted(set(table.fold.values()) - {""})
    if str(test_fold) not in folds:
        raise InputError(
            f"dataset.test_fold={test_fold} is not a fold of the table of labels; "
            f"use one of {', '.join(folds)}."
        )
    return {
        path: "test" if fold == str(test_fold) else "train" for path, fold in table.fold.items()
    }


def drawn_split(table: LabelTable, fraction: float, seed: int) -> dict[str, str]:
    """Draw whole groups for the test split, and return the split of each file.

    `fraction` of the groups with labels are drawn, at least one; a file without a group is its own
    group. Unlabelled files of a drawn group are in the test split as well. The groups are ordered
    by a hash of their names, so that new files hardly change the test split.

    Raises:
        InputError: If `fraction` is not in (0, 1), or would leave no labelled group to train on.
    """
    if not 0 < fraction < 1:
        raise InputError(f"dataset.test_fraction must lie between 0 and 1, got {fraction:g}.")
    group_of = groups_by_path(table, table.labels)
    labelled = {group_of[path] for path, labels in table.labels.items() if labels}
    count = max(1, round(fraction * len(labelled)))
    if count >= len(labelled):
        raise InputError(
            f"a test set of {fraction:.0%} would leave no group of labelled files to train on; "
            "label more files or add a column 'split' to the table of labels."
        )
    drawn = set(sorted(labelled, key=lambda group: _hash(seed, group))[:count])
    return {path: "test" if group in drawn else "train" for path, group in group_of.items()}


def groups_by_path(table: LabelTable, paths: Iterable[str]) -> dict[str, str]:
    """Return the group of each file: its cell, or its own path if the cell is empty or missing."""
    group = table.group or {}
    return {path: group.get(path) or path for path in paths}


def _read_rows(file: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the header and each row with the number of its line, all cells stripped."""
    if not file.is_file():
        raise InputError(
            f"there is no table of labels at {file}; give data.labels as a path relative to "
            "data.root or as an absolute one."
        )
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if row]
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is not UTF-8 text; save it as CSV in UTF-8.") from error
    except csv.Error as error:
        raise InputError(
            f"{file} is not a CSV table ({error}); repair it or export it again."
        ) from error
    if len(rows) < 2:
        raise InputError(f"{file} has no rows; write a header and a row for each labelled file.")
    header = rows[0][1]
    for line, row in rows[1:]:
        if len(row) != len(header):
            raise InputError(
                f"{file}, line {line}: {len(row)} cells, but the header has {len(header)}; "
                "put quotes around cells with commas and fill in missing cells."
            )
    return header, rows[1:]


def _check_header(file: Path, header: Sequence[str], extra_columns: Collection[str]) -> None:
    read = [name for name in header if name not in extra_columns]
    for name in read:
        if read.count(name) > 1:
            raise InputError(f"{file} has two columns {name!r}; remove or rename one.")
    if "path" not in read:
        raise InputError(
            f"{file} has no column 'path', its header is {','.join(header)!r}; name the column of "
            "file names 'path' and separate columns by commas."
        )
    for name in read:
        if name not in COLUMNS:
            guess = get_close_matches(name, COLUMNS, n=1)
            hint = f" (did you mean {guess[0]!r}?)" if guess else ""
            raise InputError(
                f"{file}: unknown column {name!r}{hint}; use {', '.join(COLUMNS)}, or ignore it "
                f"with dataset.extra_columns=[{','.join([*extra_columns, name])}]."
            )
    if ("label" in read) == ("labels" in read):
        has = "both columns 'label' and 'labels'" if "label" in read else "no column of labels"
        raise InputError(
            f"{file} has {has}; use 'label' for one class per file or 'labels' for several "
            "separated by ';'."
        )


def _check_paths(file: Path, lines: Sequence[int], cells: Sequence[str]) -> list[str]:
    """Return the normalised paths, for example `a/b.wav` for `./a//b.wav`."""
    first_line: dict[str, int] = {}
    for line, cell in zip(lines, cells, strict=True):
        path = PurePosixPath(cell)
        if not cell or path.is_absolute() or ".." in path.parts:
            raise InputError(
                f"{file}, line {line}: path {cell!r} is not inside the root; write it relative to "
                "data.root, without '..'."
            )
        if str(path) in first_line:
            raise InputError(
                f"{file}, line {line}: path {cell!r} is already in line {first_line[str(path)]}; "
                "give each file one row."
            )
        first_line[str(path)] = line
    return list(first_line)


def _check_splits(file: Path, lines: Sequence[int], cells: Sequence[str]) -> None:
    for line, cell in zip(lines, cells, strict=True):
        if cell not in SPLITS:
            guess = get_close_matches(cell.lower(), SPLITS, n=1)
            hint = f" (did you mean {guess[0]!r}?)" if guess else ""
            raise InputError(
                f"{file}, line {line}: unknown split {cell!r}{hint}; use {', '.join(SPLITS)}."
            )


def _classes_of(cell: str) -> tuple[str, ...]:
    """Split a cell with several classes.

    >>> _classes_of("piano; voice;"), _classes_of("")
    (('piano', 'voice'), ())
    """
    return tuple(name.strip() for name in cell.split(";") if name.strip())


def _hash(seed: int, group: str) -> str:
    return hashlib.sha256(f"{seed}:{group}".encode()).hexdigest()
