"""How well the scores of a model agree with the labels that were observed.

One binary problem per class over the cells whose label was observed, of a whole set of clips at
once: the mean of a metric over batches is another number, not an estimate of this one. Conventions:
a target counts as present from 0.5 up (OpenMIC publishes probabilities), a score from `threshold`
up. A metric that the labels do not determine is NaN, never 0, and `macro` leaves it out.

"F1" has two meanings in the literature of OpenMIC. `f1` is that of the class being present.
`f1_both` is the mean over the two values absent and present, what AttentionMIC and Gururani's
thesis report (scikit-learn's 'macro avg', at 0.5); EAsT reports it too, but at a strict > 0.4.

That is for labels of which any number may be present. `musicssl.evaluation.multi_class` and
`musicssl.evaluation.regression` have the metrics of the other kinds of targets.
"""

from collections.abc import Collection
from typing import NamedTuple

import torch
from torch import Tensor
from torchmetrics.functional.classification import binary_auroc, binary_average_precision

from musicssl.errors import InputError

COUNTS = ("positives", "observed")
USUAL = {  # by which runs are usually compared: the first one that a task has
    "weighted_accuracy": "weighted accuracy",
    "accuracy": "accuracy",
    "auroc": "AUROC",
    "r2": "R\u00b2",
}


class Metrics(NamedTuple):
    """What is measured on a set of clips.

    Attributes:
        per_class: Vectors (C,) float64 by name, those of `COUNTS` among them.
        macro: Numbers by name: the means of these vectors, and what is measured of clips as a
            whole and has no value for a class. The latter have names of their own.
    """

    per_class: dict[str, Tensor]
    macro: dict[str, float]


def usual_metric(names: Collection[str], wanted: str | None = None) -> str:
    """Return the metric that is wanted if it is there, or that by which runs are usually compared.

    >>> usual_metric(["f1", "auroc"]), usual_metric(["f1", "auroc"], wanted="f1")
    ('auroc', 'f1')
    """
    if wanted is not None and wanted in names:
        return wanted
    return next(name for name in USUAL if name in names)


def multi_label_metrics(scores: Tensor, targets: Tensor, mask: Tensor) -> Metrics:
    """Return `per_class_metrics` at a threshold of 0.5, and their means."""
    per_class = per_class_metrics(scores, targets, mask)
    return Metrics(per_class, macro(per_class))


def smaller_is_better(name: str) -> bool:
    """Say of a loss or an error, by the end of its name, that the least value of it is the best.

    >>> [smaller_is_better(name) for name in ("val/loss", "val/rmse", "rmse", "val/auroc")]
    [True, True, True, False]
    """
    return name.endswith(("loss", "rmse"))


def per_class_metrics(
    scores: Tensor, targets: Tensor, mask: Tensor, threshold: float = 0.5
) -> dict[str, Tensor]:
    """Judge each class by its observed cells alone.

    The inputs are left as they are: scores binarised in place are of no use for a ranking metric.

    Args:
        scores: Probabilities that the class is present, (N, C) in [0, 1].
        targets: (N, C) in [0, 1]; without meaning where `mask` is False.
        mask: True where the target was observed, (N, C) bool.
        threshold: Least score that counts as present.

    Returns:
        Vectors (C,) float64 on the CPU. `precision`, `recall`, `f1` of the class being present: 0
        if it is never predicted, NaN without an observed positive. `precision_both`,
        `recall_both`, `f1_both`: means over the values absent and present, NaN unless both were
        observed (scikit-learn would quietly average what there is). `auroc`: area under the ROC
        curve, ties count half, NaN unless both were observed. `average_precision`: the sum of
        precision times gain of recall over the distinct scores, NaN without a positive.
        `positives`, `observed`: numbers of cells.

    Raises:
        InputError: If an observed score is no probability.
    """
    scores, targets, mask = scores.detach().cpu(), targets.detach().cpu(), mask.cpu()
    check_probabilities(scores[mask])
    present = targets >= 0.5  # (N, C)
    counts = {"positives": (present & mask).sum(0), "observed": mask.sum(0)}
    return {
        **_decision_metrics(scores >= threshold, present, mask),
        **ranking_metrics(scores, present, mask),
        **{name: count.double() for name, count in counts.items()},
    }


def macro(per_class: dict[str, Tensor]) -> dict[str, float]:
    """Average each metric over the classes for which it is defined; NaN if there is none.

    The counts of `per_class_metrics` are no metrics and are left out.
    """
    return {
        name: float(values.nanmean()) for name, values in per_class.items() if name not in COUNTS
    }


def check_probabilities(observed: Tensor) -> None:
    """Refuse scores that cannot be probabilities.

    Raises:
        InputError: If one is not in [0, 1].
    """
    bad = observed[~((observed >= 0) & (observed <= 1))]
    if len(bad):
        raise InputError(
            f"a score is {bad[0].item():g} where a probability in [0, 1] is needed; "
            "lower the learning rate if training diverged, or apply the sigmoid to logits."
        )


def _decision_metrics(predicted: Tensor, present: Tensor, mask: Tensor) -> dict[str, Tensor]:
    of_present = precision_recall_f1(predicted, present, mask)
    of_absent = precision_recall_f1(~predicted, ~present, mask)
    both = {f"{name}_both": (of_present[name] + of_absent[name]) / 2 for name in of_present}
    return {**of_present, **both}


def precision_recall_f1(predicted: Tensor, actual: Tensor, mask: Tensor) -> dict[str, Tensor]:
    """Judge decisions, each (N, C) bool; NaN, (C,), where nothing observed is actual."""
    hits = (predicted & actual & mask).sum(0).double()
    num_predicted, num_actual = (predicted & mask).sum(0), (actual & mask).sum(0)
    metrics = {
        "precision": hits / num_predicted.clamp_min(1),  # no hits without predictions: 0
        "recall": hits / num_actual,
        "f1": 2 * hits / (num_predicted + num_actual),
    }
    return {name: value.where(num_actual > 0, torch.nan) for name, value in metrics.items()}


def ranking_metrics(scores: Tensor, present: Tensor, mask: Tensor) -> dict[str, Tensor]:
    """Judge the order of scores, each (N, C); NaN, (C,), where the observed do not define it."""
    # torchmetrics' multilabel forms raise on a class that is never observed, and warn and return
    # 0 where one value is missing: its binary forms are asked where they are defined.
    num_classes = scores.shape[1]
    auroc = torch.full((num_classes,), torch.nan, dtype=torch.float64)
    average_precision = auroc.clone()
    for c in range(num_classes):
        observed = mask[:, c]
        score, target = scores[observed, c], present[observed, c].long()
        if target.any():
            average_precision[c] = binary_average_precision(score, target)
            if not target.all():
                auroc[c] = binary_auroc(score, target)
    return {"auroc": auroc, "average_precision": average_precision}


METRICS = {
    "auroc": "AUROC",
    "average_precision": "average precision",
    "f1": "F1",
    "f1_both": "F1, both values",
    "precision_both": "precision, both values",
    "recall_both": "recall, both values",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "weighted_accuracy": "weighted accuracy",
    "r2": "R²",
    "rmse": "RMSE",
    "pearson": "Pearson correlation",
}


LOCALISATION = {
    "auroc_weighted": "AUROC of instances, weighted",
    "auroc_instance": "AUROC of instances, alone",
    "auroc_within_weighted": "AUROC within a clip, weighted",
    "auroc_within_instance": "AUROC within a clip, alone",
}


def percent(p_s: float) -> str:
    """Write a fraction.

    >>> percent(0.02), percent(0.005), percent(1)
    ('2 %', '0.5 %', '100 %')
    """
    return f"{100 * p_s:.4g} %"
