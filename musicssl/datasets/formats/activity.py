"""Strong labels: what sounds when, from annotations in time to stretches of equal length.

A stretch is active if the annotation says so at any time in it, be it for a single frame: the
instrument can be heard there. (`musicssl.datasets.synthesis` asks for 0.05 s, about one such
frame.) With this rule the activity of a longer stretch is the maximum over the shorter ones that
it is made of.

MedleyDB's two formats, confidences of stems and intervals, are read here too.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musicssl.datasets.formats.tables import annotation_text, read_table
from musicssl.errors import InputError

Activity = NDArray[np.bool_]


class Interval(NamedTuple):
    """From when to when a class sounds, in seconds, both included, and its column."""

    start: float
    end: float
    column: int


def activity_of_frames(times: NDArray[np.float64], active: Activity, seconds: float) -> Activity:
    """Join frames to stretches.

    Args:
        times: Of the frames, in seconds from the start, ascending, (F,).
        active: What is active in each, (F, C).
        seconds: Duration of a stretch.

    Returns:
        What is active in each stretch, up to that of the last frame, (T, C).
    """
    stretches = (times // seconds).astype(np.int64)  # (F,)
    joined = np.zeros((stretches[-1] + 1, active.shape[1]), np.bool_)
    frames, columns = np.nonzero(active)
    joined[stretches[frames], columns] = True
    return joined


def activity_of_intervals(
    intervals: Sequence[Interval], num_classes: int, seconds: float
) -> Activity:
    """Mark the stretches that intervals touch, up to the last that one does, (T, C)."""
    last = max((interval.end for interval in intervals), default=-seconds)
    active = np.zeros((int(last // seconds) + 1, num_classes), np.bool_)
    for start, end, column in intervals:
        active[int(start // seconds) : int(end // seconds) + 1, column] = True
    return active


def stacked(activities: Sequence[Activity]) -> Activity:
    """Stack N clips, each (T, C) with a T of its own, to (N, T, C), False past the end of each."""
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
