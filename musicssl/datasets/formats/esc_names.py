"""File names and folds of ESC-50 and ESC-10: fold-source-take, such as 1-100032-A."""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from musicssl.errors import InputError

FOLDS = 5
_NAME = re.compile(r"([1-5])-(\d+)-([A-Z])(?:-\d+)?\.\w+$")


def fold_and_source(path: str, get: str) -> tuple[int, str]:
    """Return the fold of a clip, from 1 to 5, and the number of its recording on Freesound.

    >>> fold_and_source("audio/5-9032-A-0.wav", "")
    (5, '9032')

    Args:
        path: Its file.
        get: How to get the corpus, a clause for the end of a message.

    Raises:
        InputError: If the file has another kind of name.
    """
    found = _NAME.search(path.rpartition("/")[2])
    if found is None:
        raise InputError(
            f"{path} is not named like 1-100032-A (fold, number on Freesound, take); move it "
            f"away, or {get}."
        )
    return int(found[1]), found[2]


def split_by_fold(folds: Sequence[int], test_fold: int) -> NDArray[np.str_]:
    """Return "test" for the clips of a fold and "train" for the others, (N,).

    Raises:
        InputError: If there is no such fold.
    """
    if isinstance(test_fold, bool) or test_fold not in range(1, FOLDS + 1):
        raise InputError(f"dataset.fold must be a whole number from 1 to 5, got {test_fold!r}.")
    return np.where(np.array(folds) == test_fold, "test", "train")
