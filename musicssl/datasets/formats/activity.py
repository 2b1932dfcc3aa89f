"""Strong labels: from annotations in time to the activity in stretches of equal length.

A stretch is active if the annotation is active at any time in it, even for a single frame, because
the instrument can be heard. (`musicssl.datasets.synthesis` requires 0.05 s, about one frame.) By
this rule the activity of a longer stretch is the maximum over the shorter ones in it.

MedleyDB's two formats, confidences of stems and intervals, are read here as well.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musicssl.datasets.formats.tables import annotation_text, read_table
from musicssl.errors import InputError
from musicssl.limits import LONGEST_ANNOTATION

Activity = NDArray[np.bool_]


class Interval(NamedTuple):
    """Start and end of an active class, in seconds, both included, and the column of the class."""

    start: float
    end: float
    column: int


def activity_of_frames(times: NDArray[np.float64], active: Activity, seconds: float) -> Activity:
    """Combine frames into stretches.

    Args:
        times: Times of the frames, in seconds from the start, ascending, (F,).
        active: True where a class is active in a frame, (F, C).
        seconds: Duration of a stretch.

    Returns:
        True where a class is active in a stretch, (T, C), up to the stretch of the last frame.
    """
    stretches = (times // seconds).astype(np.int64)  # (F,)
    joined = np.zeros((stretches[-1] + 1, active.shape[1]), np.bool_)
    frames, columns = np.nonzero(active)
    joined[stretches[frames], columns] = True
    return joined


def activity_of_intervals(
    intervals: Sequence[Interval], num_classes: int, seconds: float
) -> Activity:
    """Return the activity of stretches, (T, C), up to the last one that an interval overlaps."""
    last = max((interval.end for interval in intervals), default=-seconds)
    active = np.zeros((int(last // seconds) + 1, num_classes), np.bool_)
    for start, end, column in intervals:
        active[int(start // seconds) : int(end // seconds) + 1, column] = True
    return active


def stacked(activities: Sequence[Activity]) -> Activity:
    """Stack N clips, (T, C) with different T, to (N, T, C), False after the end of each clip."""
    longest = max(len(activity) for activity in activities)
    whole = np.zeros((len(activities), longest, activities[0].shape[1]), np.bool_)
    for row, activity in enumerate(activities):
        whole[row, : len(activity)] = activity
    return whole


def read_confidences(
    path: Path,
    column_of: Mapping[str, int | None],
    num_classes: int,
    threshold: float,
    cure: str,
) -> tuple[NDArray[np.float64], Activity]:
    """Read the confidence of each stem in each frame: `time,S01,S02` and lines of numbers.

    Args:
        path: The file.
        column_of: Column of the class of each stem of the song; None for a stem of no class.
        num_classes: Number of classes, C.
        threshold: Smallest confidence of an active stem.
        cure: How to repair a malformed file, a clause for a message.

    Returns:
        The times of the frames in seconds, (F,), and the activity, (F, C): a class is active if any
        of its stems is. A stem without a column in the file is never active.

    Raises:
        InputError: If the file is malformed, or belongs to a song with other stems.
    """
    header, *lines = annotation_text(path, cure).splitlines() or [""]
    first, *stems = header.split(",")
    if first != "time" or not column_of.keys() >= set(stems) or not lines:
        raise InputError(
            f"{path} must have a head of `time` and numbers of the song's stems, and a line for "
            f"each frame, but starts with {header[:60]!r}; {cure}."
        )
    try:
        table = np.loadtxt(lines, delimiter=",", ndmin=2)  # (F, 1 + S)
    except ValueError as error:
        raise InputError(f"{path} is malformed ({error}); {cure}.") from error
    times = table[:, 0]
    ascend = times[0] >= 0 and times[-1] <= LONGEST_ANNOTATION and (np.diff(times) > 0).all()
    if table.shape[1] != 1 + len(stems) or not ascend:
        raise InputError(
            f"{path} has {table.shape[1]} cells a line under {1 + len(stems)} names, or times "
            f"that do not ascend from 0 to {LONGEST_ANNOTATION:,.0f} s at most; {cure}."
        )
    active = np.zeros((len(table), num_classes), np.bool_)
    for stem, confidence in zip(stems, table.T[1:], strict=True):
        column = column_of[stem]
        if column is not None:
            active[:, column] |= confidence >= threshold
    return table[:, 0], active


def read_intervals(path: Path, column_of: Mapping[str, int], cure: str) -> list[Interval]:
    """Read the intervals of active instruments: `start_time,end_time,instrument_label`.

    Args:
        path: The file.
        column_of: Column of the class of each instrument; other instruments are skipped.
        cure: How to repair a malformed file, a clause for a message.

    Raises:
        InputError: If the file is malformed, or an interval ends before it starts.
    """
    intervals = []
    for location, row in read_table(path, ("start_time", "end_time", "instrument_label"), cure):
        try:
            start, end = float(row["start_time"]), float(row["end_time"])
        except ValueError as error:
            raise InputError(f"{location} is malformed ({error}); {cure}.") from error
        if not 0 <= start <= end <= LONGEST_ANNOTATION:
            raise InputError(f"{location} lasts from {start:g} to {end:g} s; {cure}.")
        if row["instrument_label"] in column_of:
            intervals.append(Interval(start, end, column_of[row["instrument_label"]]))
    return intervals
