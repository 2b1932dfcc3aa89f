"""The two formats in which MedleyDB says what sounds when: confidences of stems, and intervals."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musicssl.annotation_file import annotation_text
from musicssl.annotation_table import read_table
from musicssl.errors import InputError
from musicssl.labels.activity import Activity, Interval


def read_confidences(
    path: Path,
    column_of: Mapping[str, int | None],
    num_classes: int,
    threshold: float,
    cure: str,
) -> tuple[NDArray[np.float64], Activity]:
    """Read how likely each stem sounds in each frame: `time,S01,S02` and lines of numbers.

    Args:
        path: The file.
        column_of: Of the class of each stem of the song; None for a stem of no class.
        num_classes: C.
        threshold: The least confidence that counts as active.
        cure: What mends a malformed file, a clause for a message.

    Returns:
        The times of the frames in seconds, (F,), and what is active in each, (F, C): a class is if
        any stem of it is. A stem without a column in the file never is.

    Raises:
        InputError: If the file is malformed, or is of a song with other stems.
    """
    header, *lines = annotation_text(path, cure).splitlines() or [""]
    first, *stems = header.split(",")
    if first != "time" or not column_of.keys() >= set(stems) or not lines:
        raise InputError(
            f"{path} must start with `time` and numbers of stems that the song has, then have a "
            f"line for each frame, but starts with {header[:60]!r}; {cure}."
        )
    try:
        table = np.loadtxt(lines, delimiter=",", ndmin=2)  # (F, 1 + S)
    except ValueError as error:
        raise InputError(f"{path} is malformed ({error}); {cure}.") from error
    if table.shape[1] != 1 + len(stems) or not (np.diff(table[:, 0]) > 0).all():
        raise InputError(
            f"{path} has {table.shape[1]} cells a line under {1 + len(stems)} names, or times "
            f"that do not ascend; {cure}."
        )
    active = np.zeros((len(table), num_classes), np.bool_)
    for stem, confidence in zip(stems, table.T[1:], strict=True):
        column = column_of[stem]
        if column is not None:
            active[:, column] |= confidence >= threshold
    return table[:, 0], active


def read_intervals(path: Path, column_of: Mapping[str, int], cure: str) -> list[Interval]:
    """Read from when to when instruments sound: `start_time,end_time,instrument_label`.

    Args:
        path: The file.
        column_of: Of the class of each instrument; intervals of others are passed over.
        cure: What mends a malformed file, a clause for a message.

    Raises:
        InputError: If the file is malformed, or an interval ends before it starts.
    """
    intervals = []
    for place, row in read_table(path, ("start_time", "end_time", "instrument_label"), cure):
        try:
            start, end = float(row["start_time"]), float(row["end_time"])
        except ValueError as error:
            raise InputError(f"{place} is malformed ({error}); {cure}.") from error
        if not 0 <= start <= end < np.inf:
            raise InputError(f"{place} lasts from {start:g} to {end:g} s; {cure}.")
        if row["instrument_label"] in column_of:
            intervals.append(Interval(start, end, column_of[row["instrument_label"]]))
    return intervals
