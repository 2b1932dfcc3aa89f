"""How right is a model about seconds, and about longer stretches?

A stretch holds a class if the class sounds in any of its instances, and is scored by the largest of
their probabilities. So a model that judges single seconds is measured at 1, 5 and 10 s and over
the whole clip, as in Table 2.3 of Gururani's thesis (there with strongly labelled instrument
activity), and one that was trained on clip labels can be compared with one that had strong labels.
"""

import numpy as np
from numpy.typing import NDArray

from musicssl.localisation import auroc, known_cells

SECONDS = (1.0, 5.0, 10.0)


def resolution_metrics(
    scores: NDArray[np.floating],
    activity: NDArray[np.bool_],
    instance_seconds: float,
    valid: NDArray[np.bool_] | None = None,
    mask: NDArray[np.bool_] | None = None,
) -> dict[str, NDArray[np.float64]]:
    """Measure the area under the ROC curve at several resolutions.

    Args:
        scores: Probability of each class in each instance, (N, T, C).
        activity: True where the class sounds, (N, T, C) bool.
        instance_seconds: Duration of an instance, in seconds.
        valid: False for padding, (N, T) bool; None if all are instances.
        mask: True where anything is known of the class in the clip, (N, C) bool; None if it is
            everywhere.

    Returns:
        Vectors (C,) under the names "1 s", "5 s", "10 s" and "clip", NaN where a class never sounds
        or never rests. Resolutions that are no whole number of instances, or not shorter than the
        clips, are left out: of these, "clip" is enough.
    """
    known = known_cells(scores.shape, valid, mask)
    num_instances = scores.shape[1]
    windows = {f"{seconds:g} s": seconds / instance_seconds for seconds in SECONDS}
    whole = {
        name: round(count)
        for name, count in windows.items()
        if round(count) >= 1 and abs(count - round(count)) < 1e-6 and count < num_instances
    }
    return {
        name: _auroc_of_windows(scores, activity, known, size)
        for name, size in {**whole, "clip": num_instances}.items()
    }


def _auroc_of_windows(
    scores: NDArray[np.floating], activity: NDArray[np.bool_], known: NDArray[np.bool_], size: int
) -> NDArray[np.float64]:
    there = _windows(known, size, False).any(axis=2)  # (N, W, C)
    best = _windows(np.where(known, scores, -np.inf), size, -np.inf).max(axis=2)
    sounds = _windows(activity & known, size, False).any(axis=2)
    best = np.where(there, best, np.inf).astype(np.float64)
    flat = (-1, scores.shape[2])  # (N * W, C)
    return auroc(best.reshape(flat), sounds.reshape(flat), (~sounds & there).reshape(flat), axis=0)


def _windows(values: NDArray[np.generic], size: int, fill: float | bool) -> NDArray[np.generic]:
    """Cut (N, T, C) into stretches, (N, W, size, C), the last one filled up."""
    num_clips, num_instances, num_classes = values.shape
    short = -num_instances % size
    padded = np.pad(values, ((0, 0), (0, short), (0, 0)), constant_values=fill)
    return padded.reshape(num_clips, -1, size, num_classes)
