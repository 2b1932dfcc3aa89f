"""Events: when a class begins and ends, from scores over time."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musicssl.inference.prediction import Prediction


class Event(NamedTuple):
    """A stretch of time in which a class is present.

    Attributes:
        start: In seconds.
        end: In seconds.
        name: Name of the class.
        score: Greatest probability of the class in this stretch.
    """

    start: float
    end: float
    name: str
    score: float


def find_events(
    prediction: Prediction,
    thresholds: NDArray[np.floating] | float,
    median_seconds: NDArray[np.floating] | float = 0.0,
) -> list[Event]:
    """Return the stretches in which instances reach the threshold, by their start.

    Args:
        prediction: Prediction of a recording.
        thresholds: For all classes, or each class, (C,).
        median_seconds: Length of a median filter over the decisions, for all classes or each
            class, (C,): gaps and events shorter than half of it vanish. 0 for none.
    """
    length = float(np.median(np.diff(prediction.times, axis=1))) if len(prediction.times) else 1.0
    widths = np.broadcast_to(np.asarray(median_seconds) / length, len(prediction.classes))
    active = prediction.timeline >= thresholds  # (T, C)
    if prediction.task == "multi_class":
        active = prediction.timeline == prediction.timeline.max(axis=1, keepdims=True)
    events: list[Event] = []
    for index, name in enumerate(prediction.classes):
        column = median_filtered(active[:, index], int(widths[index]))
        for first, stop in stretches(column):
            score = float(prediction.timeline[first:stop, index].max())
            start, end = prediction.times[first, 0], prediction.times[stop - 1, 1]
            events.append(Event(float(start), float(end), name, score))
    return sorted(events)


def median_filtered(active: NDArray[np.bool_], width: int) -> NDArray[np.bool_]:
    """Return the majority in a window around each instance, (T,); the ends are repeated.

    Args:
        active: (T,).
        width: Width of the window, in instances; an even one is made odd by one more.
    """
    half = width // 2
    if half == 0 or len(active) == 0:
        return active
    padded = np.pad(active.astype(np.int64), half, mode="edge")
    sums = np.cumsum(np.append(0, padded))
    size = 2 * half + 1
    majority: NDArray[np.bool_] = 2 * (sums[size:] - sums[:-size]) > size
    return majority


def stretches(active: NDArray[np.bool_]) -> Sequence[tuple[int, int]]:
    """Return first index and the one after the last of each stretch of True.

    >>> stretches(np.array([True, True, False, True]))
    [(0, 2), (3, 4)]
    """
    steps = np.flatnonzero(np.diff(np.concatenate([[0], active.astype(np.int8), [0]])))
    return list(zip(steps[::2].tolist(), steps[1::2].tolist(), strict=True))
