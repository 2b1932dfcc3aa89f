"""Does a model that was trained on clip labels know when a class sounds?

A clip label says that a class sounds somewhere. Multi-instance pooling turns the probability f of
each instance and its weight w into the score of the clip, sum_t w_t f_t, and leaves a trace: what
instance t adds, w_t f_t. Where the exact activity is known (synthband), the trace is judged here as
a detector of it, by the area under the ROC curve (AUROC, ties count half): once with the weights,
once without, so that what the pooling contributes can be read off.

Two ways to gather instances answer two questions. Pooled over all clips, the area also rewards
knowing *which* clips hold the class, as a clip without it offers negatives that are easily told.
The mean of the areas within single clips only rewards knowing *when*; it takes the clips in which
the class both sounds and rests. Weights that sum to 1 are larger in a clip of fewer instances; the
pooled weighted area feels that, the one within clips does not.

Comparisons of pooling for weakly labelled instrument recognition (OpenMIC) do not report such a
measure, because their corpora have no truth for it. Sound event detection, whose test sets often
have it, reports scores at a decision threshold (Wang, Li and Metze 2019,
https://arxiv.org/abs/1810.09050, compare five poolings); the area needs no threshold.

`resolution_metrics` judges longer stretches too: a stretch holds a class if the class sounds in any
of its instances, and is scored by the largest of their probabilities. A model that judges single
seconds is so measured at 1, 5 and 10 s and over the whole clip, as in Table 2.3 of Gururani's
thesis.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Floats = NDArray[np.floating]


def localisation_metrics(
    scores: Floats,
    weights: Floats,
    activity: NDArray[np.bool_],
    valid: NDArray[np.bool_] | None = None,
    mask: NDArray[np.bool_] | None = None,
) -> dict[str, NDArray[np.float64]]:
    """Judge instance scores against who plays when (N clips, T instances, C classes).

    Args:
        scores: Instance probabilities f, (N, T, C).
        weights: Pooling weights w, (N, T, C).
        activity: True where the class sounds, (N, T, C) bool.
        valid: False for padding, whose values are without meaning, (N, T) bool; None if all are
            instances.
        mask: True where anything is known of the class in the clip, (N, C) bool; None if it is
            everywhere.

    Returns:
        Vectors (C,). `auroc_weighted`, `auroc_instance`: of w f and of f, over the instances of
        all clips; NaN unless the class both sounds and rests. `auroc_within_weighted`,
        `auroc_within_instance`: means of the areas within the clips in which the class both
        sounds and rests; NaN if there is none.
    """
    real = known_cells(scores.shape, valid, mask)
    detectors = {
        "weighted": _padded_with_inf(scores, weights, real),
        "instance": _padded_with_inf(scores, np.ones_like(weights), real),
    }
    sounds, rests = activity & real, ~activity & real
    pooled = (-1, scores.shape[2])  # (N * T, C)
    metrics = {}
    for name, detector in detectors.items():
        metrics[f"auroc_{name}"] = auroc(
            detector.reshape(pooled), sounds.reshape(pooled), rests.reshape(pooled), axis=0
        )
    for name, detector in detectors.items():
        within = auroc(detector, sounds, rests, axis=1)  # (N, C)
        metrics[f"auroc_within_{name}"] = _mean_where_defined(within)
    return metrics


def known_cells(
    shape: tuple[int, ...], valid: NDArray[np.bool_] | None, mask: NDArray[np.bool_] | None
) -> NDArray[np.bool_]:
    """Say which cells, (N, T, C), are of an instance and of a class that somebody asked about."""
    cells = np.ones(shape, np.bool_)
    if valid is not None:
        cells &= valid[..., None]
    if mask is not None:
        cells &= mask[:, None]
    return cells


def _padded_with_inf(
    scores: Floats, weights: Floats, real: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Multiply in float64, which keeps apart what float32 would round to ties."""
    padded = np.full(scores.shape, np.inf)
    np.multiply(scores, weights, out=padded, where=real, dtype=np.float64)
    return padded


def auroc(
    detector: NDArray[np.float64], sounds: NDArray[np.bool_], rests: NDArray[np.bool_], axis: int
) -> NDArray[np.float64]:
    """Compute the area along an axis, from the rank sum of the positives (Mann and Whitney's U).

    Args:
        detector: What should be larger where a class sounds. Padding, which neither sounds nor
            rests, must be infinite: it then ranks above and moves no other rank.
        sounds: True where the class sounds.
        rests: True where it does not.
        axis: Of the values that are ranked.

    Returns:
        Areas, ties counting half; NaN unless the class both sounds and rests.
    """
    ranks = rankdata(detector, axis=axis)
    num_sounds, num_rests = sounds.sum(axis), rests.sum(axis)
    wins = (ranks * sounds).sum(axis) - num_sounds * (num_sounds + 1) / 2
    return _divide(wins, num_sounds * num_rests)


def _mean_where_defined(areas: NDArray[np.float64]) -> NDArray[np.float64]:
    defined = ~np.isnan(areas)
    return _divide(np.where(defined, areas, 0).sum(axis=0), defined.sum(axis=0))


def _divide(values: NDArray[np.float64], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    quotients = np.full(values.shape, np.nan)
    np.divide(values, counts, out=quotients, where=counts > 0)
    return quotients


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
