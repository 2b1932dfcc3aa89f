"""Which files of a table of labels train, validate and test."""

import hashlib
from collections.abc import Iterable

from musicssl.data.splits import share_of
from musicssl.datasets.formats.labels_csv import LabelTable
from musicssl.errors import InputError


def fold_split(
    table: LabelTable, test_fold: int | str, val_fold: int | str | None = None
) -> dict[str, str]:
    """Return the split of each file in the table, from its fold.

    Args:
        table: A table with a column of folds.
        test_fold: The fold for testing.
        val_fold: The fold for validation; None for none. All other files are for training.

    Raises:
        InputError: If the table has no folds, or not these, or both are the same.
    """
    split_of = {str(test_fold): "test"}
    _check_fold(table, "test_fold", str(test_fold))
    if val_fold is not None:
        _check_fold(table, "val_fold", str(val_fold))
        if str(val_fold) in split_of:
            raise InputError(
                f"dataset.val_fold and dataset.test_fold are both {test_fold}; choose another fold "
                "for one of them."
            )
        split_of[str(val_fold)] = "val"
    return {path: split_of.get(fold, "train") for path, fold in (table.fold or {}).items()}


def _check_fold(table: LabelTable, setting: str, fold: str) -> None:
    if table.fold is None:
        raise InputError(
            f"dataset.{setting}={fold} needs a column 'fold' in the table of labels; add it, name "
            f"another one with dataset.columns.fold=NAME, or leave {setting} out."
        )
    folds = sorted(set(table.fold.values()) - {""})
    if fold not in folds:
        raise InputError(
            f"dataset.{setting}={fold} is not a fold of the table of labels; use one of "
            f"{', '.join(folds)}."
        )


def drawn_split(table: LabelTable, fraction: float, seed: int) -> dict[str, str]:
    """Draw whole groups for the test split, and return the split of each file.

    `fraction` of the groups with labels are drawn, at least one; a file without a group is its own
    group. Unlabelled files of a drawn group are in the test split as well. The groups are ordered
    by a hash of their names, so that new files hardly change the test split.

    Raises:
        InputError: If `fraction` is not in (0, 1), or would leave no labelled group to train on.
    """
    if not 0 < fraction < 1:
        raise InputError(f"dataset.test_fraction must be above 0 and below 1, got {fraction:g}.")
    group_of = groups_by_path(table, table.labels)
    labelled = {group_of[path] for path, labels in table.labels.items() if labels}
    count = max(1, share_of(len(labelled), fraction))
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


def _hash(seed: int, group: str) -> str:
    return hashlib.sha256(f"{seed}:{group}".encode()).hexdigest()
