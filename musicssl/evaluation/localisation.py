"""Localisation: whether a model that was trained on clip labels detects when a class sounds.

A clip label only tells that a class sounds somewhere. Multi-instance pooling combines the
probability f of each instance and its weight w to the score of the clip, sum_t w_t f_t. If the
corpus has labels in time (synthband), the contribution w_t f_t of instance t is evaluated as a
detector of the class, by the area under the ROC curve (AUROC, ties count half): once with the
weights and once without, which shows the contribution of the pooling.

Instances are gathered in two ways, for two questions. Pooled over all clips, the area also rewards
detecting *which* clips contain the class, because clips without it contain easy negatives. The mean
of the areas within single clips only rewards detecting *when* it sounds; it uses the clips in which
the class sounds in some instances and not in others. Weights that sum to 1 are larger in a clip of
fewer instances; this affects the pooled weighted area, but not the area within clips.

Comparisons of pooling for weakly labelled instrument recognition (OpenMIC) do not report a measure
of this kind, because their corpora have no labels in time. Sound event detection, whose test sets
often have them, reports scores at a decision threshold (Wang, Li and Metze 2019,
https://arxiv.org/abs/1810.09050, compare five poolings); the area needs no threshold.

`resolution_metrics` evaluates longer windows too: a window contains a class if the class sounds in
any of its instances, and its score is the largest of their probabilities. This measures a model
that classifies single seconds at 1, 5 and 10 s and over the whole clip, as in Table 2.3 of
Gururani's thesis.
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
    """Compare instance scores with labels in time (N clips, T instances, C classes).

    Args:
        scores: Instance probabilities f, (N, T, C).
        weights: Pooling weights w, (N, T, C).
        activity: True where the class sounds, (N, T, C) bool.
        valid: False for padding, whose values are arbitrary, (N, T) bool; None if there is none.
        mask: True where the class was observed in the clip, (N, C) bool; None if all were.

    Returns:
        Vectors (C,). `auroc_weighted`, `auroc_instance`: AUROC of w f and of f, over the instances
        of all clips; NaN unless the class sounds in some and is silent in others.
        `auroc_within_weighted`, `auroc_within_instance`: means of the AUROC within the clips in
        which the class sounds in some instances and is silent in others; NaN if there is no such
        clip.
    """
    observed = observed_cells(scores.shape, valid, mask)
    detectors = {
        "weighted": _padded_with_inf(scores, weights, observed),
        "instance": _padded_with_inf(scores, np.ones_like(weights), observed),
    }
    sounds, silent = activity & observed, ~activity & observed
    pooled = (-1, scores.shape[2])  # (N * T, C)
    metrics = {}
    for name, detector in detectors.items():
        metrics[f"auroc_{name}"] = auroc(
            detector.reshape(pooled), sounds.reshape(pooled), silent.reshape(pooled), axis=0
        )
    for name, detector in detectors.items():
        within = auroc(detector, sounds, silent, axis=1)  # (N, C)
        metrics[f"auroc_within_{name}"] = _mean_where_defined(within)
    return metrics


def observed_cells(
    shape: tuple[int, ...], valid: NDArray[np.bool_] | None, mask: NDArray[np.bool_] | None
) -> NDArray[np.bool_]:
    """Return which cells, (N, T, C), are no padding and belong to a class that was observed."""
    cells = np.ones(shape, np.bool_)
    if valid is not None:
        cells &= valid[..., None]
    if mask is not None:
        cells &= mask[:, None]
    return cells


def _padded_with_inf(
    scores: Floats, weights: Floats, observed: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Multiply scores and weights in float64, because float32 would round some products to ties."""
    padded = np.full(scores.shape, np.inf)
    np.multiply(scores, weights, out=padded, where=observed, dtype=np.float64)
    return padded


def auroc(
    detector: NDArray[np.float64], sounds: NDArray[np.bool_], silent: NDArray[np.bool_], axis: int
) -> NDArray[np.float64]:
    """Compute the area along an axis, from the rank sum of the positives (Mann and Whitney's U).

    Args:
        detector: Values that should be larger where a class sounds. Padding, where both masks are
            False, must be infinite: its ranks are then highest and change no other rank.
        sounds: True where the class sounds.
        silent: True where the class does not sound.
        axis: Axis along which values are ranked.

    Returns:
        Areas, ties counting half; NaN unless there are both positives and negatives.
    """
    ranks = rankdata(detector, axis=axis)
    num_sounds, num_silent = sounds.sum(axis), silent.sum(axis)
    wins = (ranks * sounds).sum(axis) - num_sounds * (num_sounds + 1) / 2
    return _divide(wins, num_sounds * num_silent)


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
        valid: False for padding, (N, T) bool; None if there is none.
        mask: True where the class was observed in the clip, (N, C) bool; None if all were.

    Returns:
        Vectors (C,) under the names "1 s", "5 s", "10 s" and "clip", NaN for a class that never
        sounds or always does. Resolutions that are no whole number of instances are left out, and
        those that are not shorter than the clips, which "clip" covers.
    """
    observed = observed_cells(scores.shape, valid, mask)
    num_instances = scores.shape[1]
    windows = {f"{seconds:g} s": seconds / instance_seconds for seconds in SECONDS}
    sizes = {
        name: round(count)
        for name, count in windows.items()
        if round(count) >= 1 and abs(count - round(count)) < 1e-6 and count < num_instances
    }
    return {
        name: _auroc_of_windows(scores, activity, observed, size)
        for name, size in {**sizes, "clip": num_instances}.items()
    }


def _auroc_of_windows(
    scores: NDArray[np.floating],
    activity: NDArray[np.bool_],
    observed: NDArray[np.bool_],
    size: int,
) -> NDArray[np.float64]:
    valid = _windows(observed, size, False).any(axis=2)  # (N, W, C)
    best = _windows(np.where(observed, scores, -np.inf), size, -np.inf).max(axis=2)
    sounds = _windows(activity & observed, size, False).any(axis=2)
    best = np.where(valid, best, np.inf).astype(np.float64)
    flat = (-1, scores.shape[2])  # (N * W, C)
    return auroc(best.reshape(flat), sounds.reshape(flat), (~sounds & valid).reshape(flat), axis=0)


def _windows(values: NDArray[np.generic], size: int, fill: float | bool) -> NDArray[np.generic]:
    """Divide (N, T, C) into windows, (N, W, size, C); `fill` pads the last one."""
    num_clips, num_instances, num_classes = values.shape
    padding = -num_instances % size
    padded = np.pad(values, ((0, 0), (0, padding), (0, 0)), constant_values=fill)
    return padded.reshape(num_clips, -1, size, num_classes)
