"""How sure a score on test clips is: the same scores on other draws of such clips.

The bootstrap of Efron (1979), Annals of Statistics 7: test clips are drawn with replacement, as
many as there are, and the metric is measured again on those drawn. Clips of one song or artist are
not independent, and single clips would promise too much: whole groups are drawn where they are
given (the cluster bootstrap; a resample then has more clips or fewer). All sets of scores are
measured on the same draws, so that the difference of two is one of models and not of clips.

What varies is the draw of test clips alone. That a model trained anew, or from other labelled
clips, would score otherwise is not in it: the mean of the replicates over seeds says how sure the
mean of these very seeds is.
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
from musicssl.evaluation.statistics.resampled_regression import errors
from musicssl.evaluation.tasks import Task

_BYTES = 2**27  # of the arrays below, at a time
_ARRAYS = 8  # in float64, of clips by resamples and of classes by resamples, that exist at once

Measure = Callable[[Floats], dict[str, Floats]]  # takes counts, (N, B), to metrics, (K, B)


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
    groups: NDArray[np.str_] | None = None,
    credit: NDArray[np.floating] | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Floats]:
    """Measure sets of scores on resamples of the test clips, the same ones for all sets.

    A metric of a resample is that of `task.metrics` on its clips, those drawn several times counted
    as often. Draws depend on the seed and the number of clips or, where there are groups, on the
    order of their names: that of the clips then makes no difference. As copies of a positive are
    found together, the average precision of resamples lies above that of the clips (by a fifth of
    its standard error at 30 positives of one class, by half to nine tenths of it in the mean of ten
    classes of 10 to 50 positives each, see `benchmarks/coverage.py`); `interval` makes up for it.

    Args:
        scores: K sets of them, (K, N, C), as `task.metrics` takes each.
        targets: (N, C); arbitrary where `mask` is False.
        mask: True where the target was observed, (N, C) bool.
        task: What the targets are.
        names: Metrics, of those that `resampled_metrics` lists.
        groups: What each clip belongs to, (N,), if clips of one group are to be drawn together.
        credit: What answers are worth, (C, C), see `Corpus`; for `weighted_accuracy`.
        resamples: Their number, R.
        seed: Of the draws.

    Returns:
        By name (K, R); NaN where a resample does not define the metric, everywhere if there are
        fewer than two clips or groups, which show no spread.

    Raises:
        InputError: If there is no such metric, or an observed score is not finite.
    """
    measure = _measure(scores, targets, mask, task, names, credit)
    each = np.arange(len(mask))
    units = each if groups is None else np.unique(groups, return_inverse=True)[1]
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
    """Measure sets of scores on the clips themselves, by name (K,); see `replicates`."""
    measure = _measure(scores, targets, mask, task, names, credit)
    return {name: values[:, 0] for name, values in measure(np.ones((len(mask), 1))).items()}


def interval(
    replicates: Floats, estimate: float | None = None, level: float = 0.95
) -> tuple[float, float]:
    """Return the percentile interval of a metric: between two quantiles of its replicates.

    With an estimate the replicates are first moved by the bootstrap's estimate of their bias, which
    is their mean less the estimate, so that they lie around it: the average precision of many rare
    classes, mean over seeds, may else be less than all of its interval. Of 100 intervals of 95 %
    these held the mean score of all draws of so many clips, those not moved in brackets, in
    simulations of ten classes (`benchmarks/coverage.py`):

    =================  ================  ================
    metric             100 clips         500 clips
    =================  ================  ================
    accuracy           92-95 (92-95)     93-95 (93-95)
    AUROC              94-95 (94-95)     92-94 (92-94)
    average precision  91-96 (85-91)     92-95 (86-92)
    =================  ================  ================

    Of one class it makes no difference: both held it in 92 to 96 from 100 clips on, and in 91 to 94
    of 30 or 40 clips; the basic interval, the reflection in the estimate, in 86 to 95 and 80 to 91.
    But few clips flatter average precision itself: its value on infinitely many lies below, and the
    moved interval of ten classes held that in 45 to 76 of 100 at 100 clips and in 72 to 88 at 500
    (not moved, in 4 to 49 and 30 to 76). Compare it on the same test clips only.

    Moved ends stay where the metric can be: between 0 and 1 as far as all replicates do. R² may be
    less and RMSE may be more; if no replicate is, the end is not, either. A difference has no such
    limits: give no estimate of it. Resamples that do not define the metric are left out; NaN if
    none does.

    Args:
        replicates: Of one metric, (R,); the mean over several seeds of a model, for instance.
        estimate: The metric on the clips themselves, by which the replicates are moved; None
            leaves them where they are.
        level: Probability with which it shall hold the mean score of other such draws of clips.

    Raises:
        InputError: If the level is not between 0 and 1.
    """
    if not 0 < level < 1:
        raise InputError(f"the level of an interval must lie between 0 and 1, got {level:g}.")
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
    """Yield how often each clip is in each resample, (N, B), R resamples in all.

    Args:
        units: What each clip is drawn with, (N,): itself or its group, numbered from 0 on.
        resamples: Their number, R.
        seed: Of the draws.
        at_a_time: Resamples that are yielded together, B; makes no difference to any of them.
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
    """Return how many resamples to measure at a time, so that they take about 128 MiB of memory.

    >>> chunk(500, 20), chunk(20_000, 50)
    (4032, 104)

    Args:
        num_clips: N.
        num_columns: Classes of all sets of scores, K x C.
    """
    return max(1, _BYTES // (8 * _ARRAYS * (num_clips + num_columns)))


def _measure(
    scores: Tensor,
    targets: Tensor,
    mask: Tensor,
    task: Task,
    names: Collection[str],
    credit: NDArray[np.floating] | None,
) -> Measure:
    """Return what measures resamples, by their counts, (N, B), with the metrics of some names."""
    _check_names(names, task, credit)
    s, y = scores.detach().cpu().numpy(), targets.detach().cpu().numpy()
    m = task.usable(mask.cpu()).numpy()
    if not np.isfinite(s[:, m]).all():
        raise InputError(
            "a score of a test clip is not finite; lower the learning rate, for training diverged."
        )

    def measure(counts: Floats) -> dict[str, Floats]:
        if not task.has_classes:
            values = errors(s, y, m, counts)
        elif task.one_class_per_clip:
            values = class_decisions(s, y >= 0.5, m[:, 0], credit, counts)
        else:
            values = label_decisions(s >= 0.5, y >= 0.5, m, counts)
        if not values.keys() >= set(names):
            values |= ranking(s, y >= 0.5, m, counts)
        return {name: values[name] for name in names}

    return measure


def _check_names(names: Collection[str], task: Task, credit: NDArray[np.floating] | None) -> None:
    """Refuse metrics that are not resampled."""
    possible = resampled_metrics(task)
    if credit is None and "weighted_accuracy" in possible:
        possible.remove("weighted_accuracy")
    for name in names:
        if name not in possible:
            raise InputError(
                f"the bootstrap cannot measure {name!r} of this corpus, whose targets are of the "
                f"kind {task.name}; choose from {', '.join(possible)}."
            )
