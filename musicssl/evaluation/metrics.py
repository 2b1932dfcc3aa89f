"""Metrics of multi-label tasks, and the table `METRICS` that describes all metrics.

Each class is one binary problem over its observed cells in a whole set of clips at once: the mean
of a metric over batches is a different number, not an estimate of it. Conventions: a target counts
as present from 0.5 up (OpenMIC publishes probabilities), a score from `threshold` up. A metric that
is undefined for the labels is NaN, never 0, and `macro` leaves it out.

"F1" has two meanings in the literature on OpenMIC. `f1` is that of the value present. `f1_both` is
the mean over the values absent and present, as AttentionMIC and Gururani's thesis report
(scikit-learn's 'macro avg', at 0.5); EAsT reports it too, but at a strict > 0.4.

`musicssl.evaluation.multi_class` and `musicssl.evaluation.regression` have the metrics of the other
kinds of targets.

`METRICS` describes the name and the presentation of every metric. A metric that is not in it is
shown under its own name. Add one to give it a heading, or to declare that smaller values are
better; with a function, it is also measured in every validation and test:

    METRICS["distance"] = MetricInfo("distance", "key distance", smaller_is_better=True)
    METRICS["bias"] = MetricInfo("bias", measure=mean_difference)

Do this in a module of your own that is imported anyway, such as that of your method.
"""

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from musicssl.errors import InputError

Place = Literal["bars", "curves", "progress"]
Kind = Literal["score", "count", "localisation", "embedding"]


@dataclass(frozen=True)
class MetricInfo:
    """Name, presentation and direction of a metric.

    Attributes:
        name: Name in metrics.json; logs put the split in front, as in "val/auroc".
        heading: Heading in reports and figures; by default the name.
        short: Heading of a narrow column of numbers; by default the heading.
        tasks: Names of the tasks that measure it.
        headline_of: Names of the tasks that it summarises; see `primary_metric`.
        shown_in: Where it is shown: "bars" of each class, "curves" of training, and the line of
            "progress".
        kind: "score": agreement with the labels of clips. "count": a number of cells, which has no
            mean over classes. "localisation": agreement of instances with labels in time.
            "embedding": of embeddings, such as their spread, which needs no labels.
        smaller_is_better: Whether smaller values are better, as of an error.
        resampled: Whether `musicssl.evaluation.statistics.bootstrap` can measure it.
        in_report: Whether reports have a table of it.
        measure: Takes scores, targets and mask, each (N, C), returns a value for each class, (C,),
            NaN if undefined, or one number. None for the metrics that the tasks measure.
    """

    name: str
    heading: str = ""
    short: str = ""
    tasks: tuple[str, ...] = ()
    headline_of: tuple[str, ...] = ()
    shown_in: tuple[Place, ...] = ()
    kind: Kind = "score"
    smaller_is_better: bool = False
    resampled: bool = False
    in_report: bool = True
    measure: Callable[[Tensor, Tensor, Tensor], Tensor] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "heading", self.heading or self.name)
        object.__setattr__(self, "short", self.short or self.heading)


_LABELS, _CLASS, _VALUES = ("multi_label",), ("multi_class",), ("regression",)
_CLASSES = _LABELS + _CLASS
_ALL: tuple[Place, ...] = ("bars", "curves", "progress")

_TABLE = (  # in the order of the columns of a report
    MetricInfo("weighted_accuracy", "weighted accuracy", "", _CLASS, _CLASS, resampled=True),
    MetricInfo("accuracy", "", "", _CLASS, _CLASS, ("curves", "progress"), resampled=True),
    MetricInfo("auroc", "AUROC", "", _CLASSES, _LABELS, _ALL, resampled=True),
    MetricInfo(
        *("average_precision", "average precision", "AP", _CLASSES, _LABELS, ("curves",)),
        resampled=True,
    ),
    MetricInfo("f1", "F1", "", _CLASSES, (), _ALL, resampled=True),
    MetricInfo("precision", "", "prec.", _CLASSES, in_report=False),
    MetricInfo("recall", "", "", _CLASSES, in_report=False),
    MetricInfo("f1_both", "F1, both values", "F1\nboth", _LABELS, resampled=True),
    MetricInfo("precision_both", "precision, both values", "prec.\nboth", _LABELS),
    MetricInfo("recall_both", "recall, both values", "recall\nboth", _LABELS),
    MetricInfo("balanced_accuracy", "balanced accuracy", "", _CLASS, resampled=True),
    MetricInfo("r2", "R²", "", _VALUES, _VALUES, _ALL, resampled=True),
    MetricInfo("rmse", "RMSE", "", _VALUES, smaller_is_better=True, resampled=True),
    MetricInfo("pearson", "Pearson correlation", "Pearson", _VALUES, (), ("bars", "curves")),
    MetricInfo("positives", kind="count", tasks=_CLASSES),
    MetricInfo("observed", kind="count", tasks=_CLASSES + _VALUES),
    MetricInfo("auroc_weighted", "AUROC of instances, weighted", kind="localisation"),
    MetricInfo("auroc_instance", "AUROC of instances, alone", kind="localisation"),
    MetricInfo("auroc_within_weighted", "AUROC within a clip, weighted", kind="localisation"),
    MetricInfo("auroc_within_instance", "AUROC within a clip, alone", kind="localisation"),
    MetricInfo("alignment", kind="embedding"),
    MetricInfo("uniformity", kind="embedding"),
    MetricInfo("positives_per_anchor", "positives", kind="embedding"),
    MetricInfo("effective_rank", "effective rank", kind="embedding"),
    MetricInfo("reconstruction_accuracy", "reconstruction accuracy", kind="embedding"),
)
METRICS = {info.name: info for info in _TABLE}
_OWN = frozenset(METRICS)
_ERRORS = ("loss", "rmse", "nll")  # ends of names


def metric_info(name: str) -> MetricInfo:
    """Return the entry of a metric in `METRICS`, or a default description if there is none.

    By default, smaller values are better if the name ends in "loss", "rmse" or "nll".

    >>> metric_info("val/rmse").heading, metric_info("val/latest_loss").smaller_is_better
    ('RMSE', True)

    Args:
        name: With or without a split before it, such as "auroc" or "val/auroc".
    """
    name = name.rpartition("/")[2]
    return METRICS.get(name) or MetricInfo(name, smaller_is_better=name.endswith(_ERRORS))


def primary_metric(names: Collection[str], wanted: str | None = None) -> str:
    """Return the metric that summarises a run in tables of sweeps, in reports and in probes.

    It is the first of weighted accuracy, accuracy, AUROC, average precision and R² that the run
    has, otherwise the first of its metrics. A metric that was added to `METRICS` with a
    `headline_of` comes before these.

    >>> primary_metric(["f1", "auroc"]), primary_metric(["f1", "auroc"], wanted="f1")
    ('auroc', 'f1')

    Args:
        names: Names of the metrics of the run, at least one.
        wanted: Metric to return instead, if the run has it.
    """
    if wanted is not None and wanted in names:
        return wanted
    infos = sorted(METRICS.values(), key=lambda info: info.name in _OWN)  # added ones first
    headlines = (info.name for info in infos if info.headline_of)
    return next((name for name in headlines if name in names), next(iter(names)))


class Metrics(NamedTuple):
    """Metrics of a set of clips.

    Attributes:
        per_class: Metrics of each class, and counts of its cells, by name; (C,) float64 each.
        macro: Overall metrics by name: the means of the metrics of classes, and metrics of whole
            clips, which have no value for a class and other names.
    """

    per_class: dict[str, Tensor]
    macro: dict[str, float]


def multi_label_metrics(
    scores: Tensor, targets: Tensor, mask: Tensor, log_odds: Tensor | None = None
) -> Metrics:
    """Return `per_class_metrics` at a threshold of 0.5, and their means."""
    per_class = per_class_metrics(scores, targets, mask, log_odds=log_odds)
    return Metrics(per_class, macro(per_class))


def per_class_metrics(
    scores: Tensor,
    targets: Tensor,
    mask: Tensor,
    threshold: float = 0.5,
    log_odds: Tensor | None = None,
) -> dict[str, Tensor]:
    """Evaluate the scores of each class on its observed cells.

    The inputs are not changed in place: ranking metrics need the scores, not the decisions.

    Args:
        scores: Probabilities that the class is present, (N, C) in [0, 1].
        targets: (N, C) in [0, 1]; arbitrary where `mask` is False.
        mask: True where the target was observed, (N, C) bool.
        threshold: Smallest score that counts as present.
        log_odds: What clips are ranked by, (N, C): the logits of the scores, which tell clips apart
            whose probabilities round to 1. None ranks by the scores.

    Returns:
        Vectors (C,) float64 on the CPU. `precision`, `recall`, `f1` of the value present: 0 if it
        is never predicted, NaN without an observed positive. `precision_both`, `recall_both`,
        `f1_both`: means over the values absent and present, NaN unless both were observed
        (scikit-learn averages the observed one without a warning). `auroc`: area under the ROC
        curve, ties count half, NaN unless both values were observed. `average_precision`: the sum
        of precision times increase of recall over the distinct scores, NaN without a positive.
        `positives`, `observed`: numbers of cells.

    Raises:
        InputError: If an observed score is not a probability.
    """
    scores, targets, mask = scores.detach().cpu(), targets.detach().cpu(), mask.cpu()
    check_probabilities(scores[mask])
    ranks = scores if log_odds is None else log_odds.detach().cpu()
    present = targets >= 0.5  # (N, C)
    counts = {"positives": (present & mask).sum(0), "observed": mask.sum(0)}
    return {
        **_decision_metrics(scores >= threshold, present, mask),
        **ranking_metrics(ranks, present, mask),
        **{name: count.double() for name, count in counts.items()},
    }


def macro(per_class: dict[str, Tensor]) -> dict[str, float]:
    """Average each metric over the classes for which it is defined; NaN if there is no such class.

    Counts of cells are left out.
    """
    return {
        name: float(values.nanmean())
        for name, values in per_class.items()
        if metric_info(name).kind != "count"
    }


def check_probabilities(observed: Tensor) -> None:
    """Check that scores are probabilities.

    Raises:
        InputError: If one is not in [0, 1].
    """
    bad = observed[~((observed >= 0) & (observed <= 1))]
    if len(bad):
        raise InputError(
            f"a score is {bad[0].item():g}, but it must be a probability in [0, 1]; lower the "
            "learning rate if training diverged, or apply the sigmoid to logits."
        )


def _decision_metrics(predicted: Tensor, present: Tensor, mask: Tensor) -> dict[str, Tensor]:
    of_present = precision_recall_f1(predicted, present, mask)
    of_absent = precision_recall_f1(~predicted, ~present, mask)
    both = {f"{name}_both": (of_present[name] + of_absent[name]) / 2 for name in of_present}
    return {**of_present, **both}


def precision_recall_f1(predicted: Tensor, actual: Tensor, mask: Tensor) -> dict[str, Tensor]:
    """Evaluate decisions, each (N, C) bool; (C,), NaN for a class without an observed positive."""
    hits = (predicted & actual & mask).sum(0).double()
    num_predicted, num_actual = (predicted & mask).sum(0), (actual & mask).sum(0)
    metrics = {
        "precision": hits / num_predicted.clamp_min(1),  # no hits without predictions: 0
        "recall": hits / num_actual,
        "f1": 2 * hits / (num_predicted + num_actual),
    }
    return {name: value.where(num_actual > 0, torch.nan) for name, value in metrics.items()}


def ranking_metrics(scores: Tensor, present: Tensor, mask: Tensor) -> dict[str, Tensor]:
    """Evaluate the ranking of scores of any scale, each (N, C).

    Returns:
        `auroc` and `average_precision`, (C,) float64; see `per_class_metrics`. NaN for a class that
        cannot be ranked, because no clip, or clips of one value only, were observed.
    """
    columns = zip(scores.T, present.T, mask.T, strict=True)
    pairs = [_ranking_of_class(score[seen], target[seen]) for score, target, seen in columns]
    auroc, average_precision = torch.tensor(pairs, dtype=torch.float64).reshape(-1, 2).T
    return {"auroc": auroc, "average_precision": average_precision}


def _ranking_of_class(scores: Tensor, present: Tensor) -> tuple[float, float]:
    """Return AUROC and average precision of observed clips, (N,); NaN where undefined.

    The AUROC is the share of pairs of a positive and a negative in which the positive has the
    greater score; ties count half.
    """
    num_present = int(present.sum())
    if num_present == 0:
        return math.nan, math.nan
    distinct, place = torch.unique(scores, return_inverse=True)  # ascending, (S,) and (N,)
    hits = torch.bincount(place[present], minlength=len(distinct)).double().flip(0)
    false = torch.bincount(place[~present], minlength=len(distinct)).double().flip(0)
    hits_down_to, false_down_to = hits.cumsum(0), false.cumsum(0)
    average_precision = hits @ (hits_down_to / (hits_down_to + false_down_to)) / num_present
    num_absent = len(scores) - num_present
    if num_absent == 0:
        return math.nan, float(average_precision)
    above = hits @ (false_down_to - false / 2)  # pairs in which the negative is ranked above
    return 1 - float(above) / (num_present * num_absent), float(average_precision)


def percent(p_s: float) -> str:
    """Write a fraction in per cent.

    >>> percent(0.02), percent(0.005), percent(1)
    ('2 %', '0.5 %', '100 %')
    """
    return f"{100 * p_s:.4g} %"
