"""Which of a user's own files are held out for testing, where no column `split` says so."""

import hashlib
from collections.abc import Iterable

from musicssl.errors import InputError
from musicssl.labels.table import LabelTable


def fold_split(table: LabelTable, test_fold: int | str) -> dict[str, str]:
    """Let one fold test and the others train; return the split of each file in the table.

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
            f"dataset.test_fold={test_fold} is no fold of the table of labels; "
            f"use one of {', '.join(folds)}."
        )
    return {
        path: "test" if fold == str(test_fold) else "train" for path, fold in table.fold.items()
    }


def drawn_split(table: LabelTable, fraction: float, seed: int) -> dict[str, str]:
    """Draw the files that test, whole groups at a time; return the split of each file.

    `fraction` of the groups that have labels are drawn, at least one; a file without a group is one
    of its own. Unlabelled files of a drawn group leave the training split with it. The groups are
    ordered by a hash of their names, so adding files hardly changes who tests.

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
    """Name the group of each file: its cell, or its own path where that is empty or absent."""
    group = table.group or {}
    return {path: group.get(path) or path for path in paths}


def _hash(seed: int, group: str) -> str:
    return hashlib.sha256(f"{seed}:{group}".encode()).hexdigest()
