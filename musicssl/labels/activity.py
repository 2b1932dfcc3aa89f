"""Strong labels: what sounds when, from annotations in time to stretches of equal length.

A stretch is active if the annotation says so at any time in it, be it for a single frame: the
instrument can be heard there. (`musicssl.synthband` asks for 0.05 s, about one such frame.) With
this rule the activity of a longer stretch is the maximum over the shorter ones that it is made of.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

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
