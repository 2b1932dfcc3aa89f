"""The uncertainty of a metric due to the choice of test clips, by the bootstrap.

The bootstrap of Efron (1979), Annals of Statistics 7: as many test clips as there are are drawn
with replacement, and the metric is computed on this resample. Clips of one song or artist are not
independent, and drawing single clips would underestimate the uncertainty: if groups are given,
whole groups are drawn (the cluster bootstrap; resamples then differ in their number of clips). All
sets of scores are measured on the same resamples, so that a difference between two of them is due
to the models and not to the clips.

Only the test clips vary. The variation of a model that is trained again, or on other labelled
clips, is not included: the mean of the replicates over seeds gives the uncertainty of the mean of
exactly these seeds.
"""

from collections.abc import Callable, Collection, Iterator

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from musicssl.errors import InputError
from musicssl.evaluation.metrics import METRICS
from musicssl.evaluation.statistics.resampled_decisions import class_decisions, label_decisions
from musicssl.evaluation.statistics.resampled_means import Floats
from musicssl.evaluation.statistics.resampled_ranking import ranking
from musicssl.evaluation.statistics.resampled_regression import regression_metrics
from musicssl.evaluation.tasks import Task

_BYTES = 2**27  # memory for the arrays of one chunk of resamples
_ARRAYS = 8  # float64 arrays of clips by resamples and classes by resamples that exist at once

Measure = Callable[[Floats], dict[str, Floats]]  # maps counts, (N, B), to metrics, (K, B)


def resampled_metrics(task: Task) -> list[str]:
    """List the metrics of a task that the bootstrap can measure."""
    return [info.name for info in METRICS.values() if task.name in info.tasks and info.resampled]


def replicates(
    scores: Tensor,
    targets: Tensor,
    mask: Tensor,
    task: Task,
    names: Collection[str],
    *,
    log_odds: Tensor | None = None,
    groups: NDArray[np.str_] | None = None,
    credit: NDArray[np.floating] | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Floats]:
    """Measure sets of scores on resamples of the test clips, the same resamples for all sets.

    The metrics are those of `task.metrics` on the clips of a resample, with repeated clips. Draws
    depend on the seed and on the number of clips, or if there are groups, on the sorted names of
    the groups, so that the order of the clips makes no difference. Since copies of a positive have
    the same rank, the average precision of resamples is higher than that of the clips (by a fifth
    of its standard error at 30 positives of one class, by half to nine tenths of it in the mean of
    ten classes of 10 to 50 positives each, see `benchmarks/coverage.py`); `interval` corrects this.

    Args:
        scores: K sets of scores, (K, N, C), each as in `task.metrics`.
        targets: Targets, (N, C); arbitrary where `mask` is False.
        mask: True where the target was observed, (N, C) bool.
        task: The task of the targets.
        names: Names of metrics, out of `resampled_metrics` for the task.
        log_odds: What clips are ranked by in each set, (K, N, C), as in `task.metrics`; None ranks
            by the scores.
        groups: Group of each clip, (N,), if the clips of a group have to be drawn together.
        credit: Credit of answers, (C, C), see `Corpus`; for `weighted_accuracy`.
        resamples: Number of resamples, R.
        seed: Seed of the draws.

    Returns:
        Metrics by name, (K, R); NaN where a metric is undefined for a resample, and everywhere if
        there are fewer than two clips or groups.

    Raises:
        InputError: If a metric is unknown, or an observed score is not finite.
    """
    measure = _measure(scores, targets, mask, task, names, credit, log_odds)
    clips = np.arange(len(mask))
    units = clips if groups is None else np.unique(groups, return_inverse=True)[1]
    if len(np.unique(units)) < 2:
        return {name: np.full((len(scores), resamples), np.nan) for name in names}
    at_a_time = chunk(len(mask), len(scores) * scores.shape[2])
    parts = [measure(counts) for counts in draws(units, resamples, seed, at_a_time)]
    return {name: np.concatenate([part[name] for part in parts], axis=1) for name in names}


def estimates(
    scores: Tensor,
    targets: Tensor,
    mask: Tensor,
    task: Task,
    names: Collection[str],
    *,
    credit: NDArray[np.floating] | None = None,
) -> dict[str, Floats]:
    """Measure sets of scores on the test clips themselves, (K,) by name; see `replicates`."""
    measure = _measure(scores, targets, mask, task, names, credit)
    return {name: values[:, 0] for name, values in measure(np.ones((len(mask), 1))).items()}


def interval(
    replicates: Floats, estimate: float | None = None, level: float = 0.95
) -> tuple[float, float]:
    """Return the percentile interval of a metric: two quantiles of its replicates.

    If an estimate is given, the replicates are first shifted by the bootstrap's estimate of their
    bias, which is their mean minus the estimate, so that they are centred on it: otherwise the
    average precision of many rare classes, mean over seeds, may lie below its interval. The
    coverage of 95 % intervals in simulations of ten classes (`benchmarks/coverage.py`), in percent,
    of the mean score over all draws of this many clips, without the shift in brackets:

    =================  ================  ================
    metric             100 clips         500 clips
    =================  ================  ================
    accuracy           92-95 (92-95)     93-95 (93-95)
    AUROC              94-95 (94-95)     92-94 (92-94)
    average precision  91-96 (85-91)     92-95 (86-92)
    =================  ================  ================

    For a single class the shift makes no difference: the coverage of both is 92 to 96 from 100
    clips on, and 91 to 94 at 30 or 40 clips; that of the basic interval, the reflection in the
    estimate, is 86 to 95 and 80 to 91. But average precision itself is too high on few clips: it is
    lower on infinitely many clips, and the shifted interval of ten classes covered that value in 45
    to 76 of 100 cases at 100 clips and in 72 to 88 at 500 (without the shift, in 4 to 49 and 30 to
    76). Compare average precision only on the same test clips.

    Shifted ends stay in the range of the metric: at least 0 if all replicates are, and at most 1 if
    all replicates are. R² may be below 0 and RMSE above 1 if replicates are. A difference has no
    such limits: give no estimate for it. Resamples for which the metric is undefined are left out;
    the result is NaN if it is undefined for all.

    Args:
        replicates: Replicates of one metric, (R,), for example the mean over seeds of a model.
        estimate: The metric on the test clips themselves, to which the replicates are shifted; None
            for no shift.
        level: Nominal coverage of the mean score over other draws of clips.

    Raises:
        InputError: If the level is not between 0 and 1.
    """
    if not 0 < level < 1:
        raise InputError(f"the level of an interval must be above 0 and below 1, got {level:g}.")
    defined = replicates[~np.isnan(replicates)]
    if len(defined) == 0:
        return np.nan, np.nan
    bias = 0.0 if estimate is None else defined.mean() - estimate
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2]) - bias
    if defined.min() >= 0:
        low = max(low, 0.0)
    if defined.max() <= 1:
        high = min(high, 1.0)
    return float(low), float(high)


def draws(units: NDArray[np.int64], resamples: int, seed: int, at_a_time: int) -> Iterator[Floats]:
    """Yield the counts of each clip in each resample, (N, B), for R resamples in all.

    Args:
        units: Number of the unit with which each clip is drawn, (N,): the clip itself or its group,
            from 0 on.
        resamples: Number of resamples, R.
        seed: Seed of the draws.
        at_a_time: Number of resamples that are yielded together, B; has no effect on the draws.
    """
    rng = np.random.default_rng(seed)
    num_units = int(units.max()) + 1
    for start in range(0, resamples, at_a_time):
        num = min(at_a_time, resamples - start)
        drawn = rng.integers(num_units, size=(num, num_units))
        drawn += num_units * np.arange(num)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=num * num_units).reshape(num, num_units)
        yield np.ascontiguousarray(counts.T[units], dtype=np.float64)


def chunk(num_clips: int, num_columns: int) -> int:
    """Return the number of resamples that take about 128 MiB of memory.

    >>> chunk(500, 20), chunk(20_000, 50)
    (4032, 104)

    Args:
        num_clips: Number of clips, N.
        num_columns: Number of classes of all sets of scores, K x C.
    """
    return max(1, _BYTES // (8 * _ARRAYS * (num_clips + num_columns)))


def _measure(
    scores: Tensor,
    targets: Tensor,
    mask: Tensor,
    task: Task,
    names: Collection[str],
    credit: NDArray[np.floating] | None,
    log_odds: Tensor | None = None,
) -> Measure:
    """Return a function that measures resamples, given as counts, (N, B), by the named metrics."""
    _check_names(names, task, credit)
    s, y = scores.detach().cpu().numpy(), targets.detach().cpu().numpy()
    ranks = s if log_odds is None else log_odds.detach().cpu().numpy()
    m = task.usable(mask.cpu()).numpy()
    if not np.isfinite(s[:, m]).all():
        raise InputError(
            "a score of a test clip is not finite because training diverged; lower the learning "
            "rate."
        )

    def measure(counts: Floats) -> dict[str, Floats]:
        if not task.has_classes:
            metrics = regression_metrics(s, y, m, counts)
        elif task.one_class_per_clip:
            metrics = class_decisions(s, y >= 0.5, m[:, 0], credit, counts)
        else:
            metrics = label_decisions(s >= 0.5, y >= 0.5, m, counts)
        if not metrics.keys() >= set(names):
            metrics |= ranking(ranks, y >= 0.5, m, counts)
        return {name: metrics[name] for name in names}

    return measure


def _check_names(names: Collection[str], task: Task, credit: NDArray[np.floating] | None) -> None:
    """Check that every metric can be resampled for the task."""
    available = resampled_metrics(task)
    if credit is None and "weighted_accuracy" in available:
        available.remove("weighted_accuracy")
    for name in names:
        if name not in available:
            raise InputError(
                f"the bootstrap cannot measure {name!r} of this corpus, whose targets are of the "
                f"kind {task.name}; choose from {', '.join(available)}."
            )
