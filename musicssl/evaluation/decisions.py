"""Decision thresholds and calibration, chosen on validation clips.

A network trained on rare classes is often a good ranker whose probabilities are too small: AUROC is
high, and F1 at the threshold 0.5 is low. Here each class gets the threshold of its best F1, and a
temperature that makes its probabilities fit (Guo et al. 2017, https://arxiv.org/abs/1706.04599).
N clips, C classes; all functions take scores, targets and mask, (N, C) each.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]

_NEAREST = 1e-7  # of a probability to 0 and 1, so that its logit is finite
_SHARPEST, _FLATTEST = 20.0, 0.05  # of 1 / T
_HALVINGS = 60
_COLUMNS = ("thresholds", "temperatures")
_OF_EVENTS = ("event_thresholds", "median_seconds")
_WIDTHS = (1, 3, 5, 7, 9)  # of median filters, in instances


@dataclass(frozen=True, eq=False)
class Decisions:
    """How the scores of a network become decisions.

    Attributes:
        thresholds: A class is present from this score up, (C,) float64.
        temperatures: What its logit is divided by to be calibrated, (C,) float64; the same for all
            classes in a multi-class task.
        num_clips: Number of validation clips that they were chosen on.
        event_thresholds: A class sounds in an instance from this score up, (C,) float64; None if
            the corpus does not know when classes sound.
        median_seconds: Length of a median filter over these decisions, (C,) float64; None as well.
    """

    thresholds: NDArray[np.float64]
    temperatures: NDArray[np.float64]
    num_clips: int
    event_thresholds: NDArray[np.float64] | None = None
    median_seconds: NDArray[np.float64] | None = None

    def plain(self) -> dict[str, Any]:
        """Return plain values, as JSON has them."""
        plain = {
            "thresholds": self.thresholds.tolist(),
            "temperatures": self.temperatures.tolist(),
            "num_clips": self.num_clips,
        }
        if self.event_thresholds is None or self.median_seconds is None:
            return plain
        of_events = (self.event_thresholds.tolist(), self.median_seconds.tolist())
        return plain | dict(zip(_OF_EVENTS, of_events, strict=True))

    @classmethod
    def of_plain(cls, values: Any, num_classes: int) -> "Decisions | None":
        """Rebuild decisions from what `plain` returned; None if the values have another form."""
        if not isinstance(values, Mapping):
            return None
        columns = [_column(values.get(name), num_classes) for name in _COLUMNS]
        num_clips = values.get("num_clips")
        if columns[0] is None or columns[1] is None or type(num_clips) is not int:
            return None
        of_events = [_column(values.get(name), num_classes) for name in _OF_EVENTS]
        damaged = any(c is None for c, n in zip(of_events, _OF_EVENTS, strict=True) if n in values)
        if damaged or not (columns[1] > 0).all():
            return None
        return cls(columns[0], columns[1], num_clips, *of_events)


def _column(values: Any, length: int) -> NDArray[np.float64] | None:
    """Return finite numbers of a given length; None for anything else."""
    if not isinstance(values, list) or len(values) != length:
        return None
    if not all(type(value) in (int, float) and np.isfinite(value) for value in values):
        return None
    return np.array(values, np.float64)


def choose_decisions(task: str, scores: Floats, targets: Floats, mask: Bools) -> Decisions | None:
    """Choose thresholds and temperatures on validation clips.

    Args:
        task: "multi_label" or "multi_class". A regression decides nothing: the result is None.
        scores: Probabilities, (N, C).
        targets: (N, C).
        mask: True where the target was observed, (N, C).
    """
    if task == "regression":
        return None
    thresholds = best_thresholds(scores, targets, mask)
    one_class = task == "multi_class"
    fit = class_temperatures if not one_class else shared_temperature
    return Decisions(thresholds, fit(scores, targets, mask), len(scores))


def best_thresholds(scores: Floats, targets: Floats, mask: Bools) -> NDArray[np.float64]:
    """Return the threshold of each class with the greatest F1, (C,).

    It lies midway between the two neighbouring scores. If several are equally good, it is the one
    nearest to 0.5. A class without a positive clip keeps 0.5.
    """
    columns = zip(scores.T, targets.T, mask.T, strict=True)
    return np.array([_best_threshold(s[m], t[m] >= 0.5) for s, t, m in columns], np.float64)


def _best_threshold(scores: Floats, present: Bools) -> float:
    if not present.any():
        return 0.5
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order].astype(np.float64)
    hits = np.cumsum(present[order])  # among the k + 1 greatest scores
    f1 = 2 * hits / (np.arange(1, len(ordered) + 1) + present.sum())
    next_lower = np.append(ordered[1:], 0.0)
    cuts = ordered > next_lower
    cuts[-1] = True
    midway = (ordered + next_lower) / 2
    best = cuts & (f1 >= f1[cuts].max())
    nearest = np.abs(midway[best] - 0.5).argmin()
    return float(midway[best][nearest])


def share_correlation(thresholds: Floats, shares: Floats) -> float | None:
    """Return Pearson's r of thresholds and the shares of labels that are present, (C,) each.

    Rare classes have low probabilities, and so low thresholds: section 2.4.2 of Gururani's thesis
    finds r = 0.9 for 18 instruments. Classes whose share is NaN are left out.

    Returns:
        None if fewer than three classes are left, or all of them are alike.
    """
    known = ~np.isnan(shares)
    columns = thresholds[known].astype(np.float64), shares[known].astype(np.float64)
    if known.sum() < 3 or min(column.std() for column in columns) == 0:
        return None
    return float(np.corrcoef(*columns).ravel()[1])


def choose_events(
    scores: Floats, activity: Bools, valid: Bools, mask: Bools, instance_seconds: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Choose how scores of instances become events, by F1 of the instances of validation clips.

    The median of decisions is the decision about the median of scores, so that for each filter the
    best threshold is found as for clips. If filters are equally good, the shortest is chosen.

    Args:
        scores: Scores of instances, (N, T, C).
        activity: True where the class sounds, (N, T, C).
        valid: True for instances that are not padding, (N, T).
        mask: True where the class was observed in the clip, (N, C).
        instance_seconds: Duration of an instance, in seconds.

    Returns:
        Thresholds and lengths of the filters in seconds, 0 for none, (C,) each.
    """
    observed = np.repeat(mask, valid.sum(axis=1), axis=0)
    truth = activity[valid].astype(np.float32)
    options = []
    for width in _WIDTHS:
        clips = zip(scores, valid, strict=True)
        filtered = [_medians(clip[inside], width) for clip, inside in clips]
        columns = np.concatenate(filtered), truth, observed
        thresholds = best_thresholds(*columns)
        options.append((thresholds, np.nan_to_num(f1_at(thresholds, *columns))))
    best = np.array([f1 for _, f1 in options]).argmax(axis=0)  # (C,)
    thresholds = np.array([thresholds for thresholds, _ in options])
    seconds = np.array([0, *_WIDTHS[1:]], np.float64) * instance_seconds
    return np.take_along_axis(thresholds, best[None], axis=0)[0], seconds[best]


def _medians(scores: Floats, width: int) -> Floats:
    """Return running medians over time, (T, C); the ends are repeated."""
    if width == 1 or len(scores) == 0:
        return scores
    half = width // 2
    padded = np.pad(scores, ((half, half), (0, 0)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, width, axis=0)
    medians: Floats = np.median(windows, axis=-1)
    return medians


def f1_at(
    thresholds: Floats | float, scores: Floats, targets: Floats, mask: Bools
) -> NDArray[np.float64]:
    """Return F1 of each class, (C,), if a class is present from its threshold up.

    It is NaN for a class of which no observed clip is present.
    """
    decided = scores >= thresholds
    present = targets >= 0.5
    hits = (decided & present & mask).sum(axis=0)
    named = (decided & mask).sum(axis=0) + (present & mask).sum(axis=0)
    positives = (present & mask).sum(axis=0)
    return np.where(positives > 0, 2 * hits / np.maximum(named, 1), np.nan)


def class_temperatures(scores: Floats, targets: Floats, mask: Bools) -> NDArray[np.float64]:
    """Return the temperature of each class with the least negative log-likelihood, (C,).

    The derivative by 1 / T, the sum of z (sigmoid(z / T) - y), grows with 1 / T, so its zero is
    found by halving an interval. A class without both values keeps 1.
    """
    z = _logits(scores)
    y = (targets >= 0.5) & mask

    def slope(inverse: NDArray[np.float64]) -> NDArray[np.float64]:
        excess = _sigmoid(z * inverse) - y
        total: NDArray[np.float64] = np.where(mask, z * excess, 0).sum(axis=0)
        return total

    both = y.any(axis=0) & (mask & ~y).any(axis=0)
    return np.where(both, 1 / _zero(slope, scores.shape[1]), 1.0)


def shared_temperature(scores: Floats, targets: Floats, mask: Bools) -> NDArray[np.float64]:
    """Return the one temperature of a softmax, for each class, (C,); 1 without labelled clips."""
    known = mask.all(axis=1)
    num_classes = scores.shape[1]
    if not known.any():
        return np.ones(num_classes)
    z = np.log(np.clip(scores[known].astype(np.float64), _NEAREST, 1))
    right = np.take_along_axis(z, targets[known].argmax(axis=1)[:, None], axis=1)

    def slope(inverse: NDArray[np.float64]) -> NDArray[np.float64]:
        p = _softmax(z * inverse)
        return np.array([((p * z).sum(axis=1, keepdims=True) - right).sum()])

    return np.full(num_classes, 1 / _zero(slope, 1)[0])


def calibrated(task: str, scores: Floats, temperatures: Floats) -> NDArray[np.float32]:
    """Return probabilities, (..., C), whose logits are divided by the temperatures."""
    if task == "regression":
        return scores.astype(np.float32)
    if task == "multi_class":
        z = np.log(np.clip(scores.astype(np.float64), _NEAREST, 1))
        return _softmax(z / temperatures).astype(np.float32)
    return _sigmoid(_logits(scores) / temperatures).astype(np.float32)


def log_loss(scores: Floats, targets: Floats, mask: Bools) -> float:
    """Return the mean negative log-likelihood of the observed cells, in nats."""
    p = np.clip(scores.astype(np.float64), _NEAREST, 1 - _NEAREST)
    losses = -np.where(targets >= 0.5, np.log(p), np.log1p(-p))
    return float(losses[mask].mean()) if mask.any() else float("nan")


@dataclass(frozen=True, eq=False)
class Reliability:
    """How often classes are present, by what their probability was (K bins).

    Attributes:
        predicted: Mean probability in each bin, (K,); NaN in empty bins.
        observed: Share of cells in which the class is present, (K,).
        counts: Number of cells, (K,).
    """

    predicted: NDArray[np.float64]
    observed: NDArray[np.float64]
    counts: NDArray[np.int64]

    @property
    def error(self) -> float:
        """The expected calibration error: the mean of |observed - predicted|, by cells."""
        weights = self.counts / max(1, self.counts.sum())
        return float(np.nansum(weights * np.abs(self.observed - self.predicted)))


def reliability(scores: Floats, targets: Floats, mask: Bools, bins: int = 10) -> Reliability:
    """Sort the observed cells of all classes into bins of equal width by their probability."""
    p, y = scores[mask].astype(np.float64), targets[mask] >= 0.5
    place = np.minimum((p * bins).astype(np.int64), bins - 1)
    counts = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        predicted = np.bincount(place, p, bins) / counts
        observed = np.bincount(place, y, bins) / counts
    return Reliability(predicted, observed, counts)


def _zero(slope: Any, size: int) -> NDArray[np.float64]:
    """Return where increasing functions are 0, each (size,), between the limits of 1 / T."""
    low, high = np.full(size, _FLATTEST), np.full(size, _SHARPEST)
    for _ in range(_HALVINGS):
        middle = np.sqrt(low * high)
        falls = slope(middle) < 0
        low, high = np.where(falls, middle, low), np.where(falls, high, middle)
    result: NDArray[np.float64] = np.sqrt(low * high)
    return result


def _logits(scores: Floats) -> NDArray[np.float64]:
    p = np.clip(scores.astype(np.float64), _NEAREST, 1 - _NEAREST)
    z: NDArray[np.float64] = np.log(p) - np.log1p(-p)
    return z


def _sigmoid(z: NDArray[np.float64]) -> NDArray[np.float64]:
    p: NDArray[np.float64] = 0.5 * (1 + np.tanh(z / 2))
    return p


def _softmax(z: NDArray[np.float64]) -> NDArray[np.float64]:
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    p: NDArray[np.float64] = e / e.sum(axis=-1, keepdims=True)
    return p
