"""Oracle: scikit-learn, class by class, on the observed rows."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import (
    average_precision_score,
    classification_report,
    precision_recall_fscore_support,
    roc_auc_score,
)
from torch import Tensor

from musicssl.errors import InputError
from musicssl.evaluation.metrics import (
    METRICS,
    MetricInfo,
    macro,
    metric_info,
    per_class_metrics,
    primary_metric,
)
from musicssl.evaluation.tasks import TASKS

KEYS = [
    *("precision", "recall", "f1", "precision_both", "recall_both", "f1_both"),
    *("auroc", "average_precision", "positives", "observed"),
]


def partly_observed(seed: int, decimals: int = 8) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shape = (120, 5)
    scores = torch.rand(shape, generator=generator, dtype=torch.float64).round(decimals=decimals)
    targets = (torch.rand(shape, generator=generator) < 0.4).float()
    mask = torch.rand(shape, generator=generator) < 0.3
    return scores, targets, mask


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("decimals", [1, 8], ids=["ties", "no ties"])
@pytest.mark.parametrize("threshold", [0.5, 0.4])
def test_agrees_with_scikit_learn_on_the_observed_cells(
    seed: int, decimals: int, threshold: float
) -> None:
    scores, targets, mask = partly_observed(seed, decimals)
    metrics = per_class_metrics(scores, targets, mask, threshold)
    for c in range(scores.shape[1]):
        seen = mask[:, c]
        score, target = scores[seen, c].numpy(), targets[seen, c].numpy().astype(int)
        guess = (score >= threshold).astype(int)
        present = precision_recall_fscore_support(
            target, guess, average="binary", zero_division=0.0
        )[:3]
        report = classification_report(target, guess, output_dict=True, zero_division=0.0)
        both = [report["macro avg"][key] for key in ("precision", "recall", "f1-score")]
        ranking = [roc_auc_score(target, score), average_precision_score(target, score)]
        expected = [*present, *both, *ranking, target.sum(), len(target)]
        actual = [metrics[key][c].item() for key in KEYS]
        np.testing.assert_allclose(actual, expected, atol=1e-6)


def test_keys_come_in_order_with_one_value_per_class() -> None:
    metrics = per_class_metrics(*partly_observed(0))
    assert list(metrics) == KEYS
    assert {value.shape for value in metrics.values()} == {(5,)}


def test_what_is_not_observed_does_not_count() -> None:
    scores, targets, mask = partly_observed(1)
    noise = torch.rand(scores.shape, generator=torch.Generator().manual_seed(7)).double()
    other = per_class_metrics(
        scores.where(mask, torch.nan), targets.where(mask, noise.float()), mask
    )
    for key, value in per_class_metrics(scores, targets, mask).items():
        torch.testing.assert_close(other[key], value, rtol=0, atol=0)


def test_inputs_are_left_as_they_are() -> None:
    inputs = partly_observed(2)
    copies = [tensor.clone() for tensor in inputs]
    per_class_metrics(*inputs)
    assert all(torch.equal(*pair) for pair in zip(inputs, copies, strict=True))


def test_the_threshold_itself_counts_as_present() -> None:
    scores, targets = torch.tensor([[0.5], [0.2]]), torch.tensor([[1.0], [0.0]])
    mask = torch.ones(2, 1, dtype=torch.bool)
    assert per_class_metrics(scores, targets, mask)["recall"].item() == 1
    assert per_class_metrics(scores, targets, mask, threshold=0.51)["recall"].item() == 0


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_the_threshold_is_met_at_every_precision(dtype: torch.dtype) -> None:
    scores = torch.tensor([[0.7], [0.2]], dtype=dtype)  # in float32, below the 0.7 of Python
    targets, mask = torch.tensor([[1.0], [0.0]]), torch.ones(2, 1, dtype=torch.bool)
    assert per_class_metrics(scores, targets, mask, threshold=0.7)["recall"].item() == 1


def test_a_target_counts_as_present_from_one_half_up() -> None:
    targets = torch.tensor([[0.49], [0.5], [0.9]])
    metrics = per_class_metrics(torch.rand(3, 1), targets, torch.ones(3, 1, dtype=torch.bool))
    assert metrics["positives"].item() == 2


def test_a_metric_that_the_labels_do_not_determine_is_nan() -> None:
    targets = torch.tensor([[0.0, 1.0, 1.0], [0.0, 1.0, 0.0]])  # absent, present, not observed
    mask = torch.tensor([[True, True, False], [True, True, False]])
    metrics = per_class_metrics(torch.full((2, 3), 0.9), targets, mask)
    counts, needs_a_positive = KEYS[8:], [*KEYS[:3], "average_precision"]
    for key in KEYS:
        expected = [False] * 3 if key in counts else [True, key not in needs_a_positive, True]
        assert metrics[key].isnan().tolist() == expected, key
    assert metrics["average_precision"][1].item() == 1


def test_a_class_never_predicted_has_zero_precision_recall_and_f1() -> None:
    targets, mask = torch.tensor([[1.0], [0.0]]), torch.ones(2, 1, dtype=torch.bool)
    metrics = per_class_metrics(torch.tensor([[0.3], [0.1]]), targets, mask)
    assert [metrics[key].item() for key in KEYS[:3]] == [0, 0, 0]
    # "absent" has precision 1/2, recall 1 and F1 2/3, and its counterpart 0
    assert [metrics[key].item() for key in KEYS[3:6]] == pytest.approx([1 / 4, 1 / 2, 1 / 3])


def test_no_clips_at_all_are_nan_and_not_an_error() -> None:
    metrics = per_class_metrics(*torch.empty(2, 0, 3), torch.empty(0, 3, dtype=torch.bool))
    assert metrics["observed"].tolist() == [0, 0, 0]
    assert all(math.isnan(value) for value in macro(metrics).values())


def test_half_precision_scores_are_judged_as_they_stand() -> None:
    scores, targets, mask = partly_observed(3, decimals=2)
    half = scores.half()
    metrics = per_class_metrics(half, targets, mask)
    for key, value in per_class_metrics(half.double(), targets, mask).items():
        torch.testing.assert_close(metrics[key], value, rtol=0, atol=0)


@pytest.mark.parametrize("score", [-0.1, 1.5, math.nan, math.inf])
def test_a_score_that_is_no_probability_is_refused(score: float) -> None:
    scores, mask = torch.tensor([[0.5], [score]]), torch.ones(2, 1, dtype=torch.bool)
    with pytest.raises(InputError, match="probability"):
        per_class_metrics(scores, torch.tensor([[0.0], [1.0]]), mask)


def test_macro_is_the_mean_over_the_classes_where_defined_and_omits_the_counts() -> None:
    nan = math.nan
    per_class = {
        "f1": torch.tensor([0.2, nan, 0.6]),
        "auroc": torch.tensor([nan, nan, nan]),
        "positives": torch.tensor([1.0, 0.0, 3.0]),
        "observed": torch.tensor([2.0, 0.0, 4.0]),
    }
    assert macro(per_class) == pytest.approx({"f1": 0.4, "auroc": nan}, nan_ok=True)


def test_the_metric_of_a_set_is_not_the_mean_over_its_batches() -> None:
    scores, targets, _ = partly_observed(4)
    mask = torch.ones_like(targets, dtype=torch.bool)
    shifted = scores / 2
    shifted[60:] += 0.5  # every batch is judged as before, the set is not
    batches = [
        per_class_metrics(shifted[rows], targets[rows], mask[rows])["auroc"]
        for rows in (slice(0, 60), slice(60, 120))
    ]
    whole = per_class_metrics(shifted, targets, mask)["auroc"]
    expected = [roc_auc_score(targets[:, c], shifted[:, c]) for c in range(5)]
    np.testing.assert_allclose(whole, expected, atol=1e-6)
    assert (torch.stack(batches).mean(0) - whole).abs().max() > 0.01


# --- what is known of metrics


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_the_table_has_every_metric_of_every_task(task) -> None:
    targets = torch.eye(3).repeat(4, 1)
    per_class, overall = task.metrics(targets, targets, torch.ones(12, 3, dtype=torch.bool))
    with_credit = {"weighted_accuracy"} if task.one_class_per_clip else set()
    in_table = {info.name for info in METRICS.values() if task.name in info.tasks}
    assert in_table == {*per_class, *overall} | with_credit
    for info in METRICS.values():
        assert set(info.headline_of) <= set(info.tasks)
        assert all(line for line in (info.heading, info.short))


def test_counts_have_no_mean() -> None:
    values = torch.tensor([1.0, 2.0])
    assert macro({"observed": values, "positives": values, "mine": values}) == {"mine": 1.5}


@pytest.mark.parametrize(
    ("names", "primary"),
    [
        (["f1", "auroc", "average_precision"], "auroc"),
        (["f1", "auroc", "accuracy", "balanced_accuracy"], "accuracy"),
        (["auroc", "accuracy", "weighted_accuracy"], "weighted_accuracy"),
        (["rmse", "pearson", "r2"], "r2"),
        (["mine", "f1"], "mine"),
    ],
)
def test_a_run_is_summed_up_by_one_metric(names, primary) -> None:
    assert primary_metric(names) == primary
    assert primary_metric(names, wanted=names[-1]) == names[-1]
    assert primary_metric(names, wanted="absent") == primary


def test_a_headline_from_outside_comes_before_ours(monkeypatch):
    monkeypatch.setitem(METRICS, "nll", MetricInfo("nll", headline_of=("multi_class",)))
    monkeypatch.setitem(METRICS, "plain", MetricInfo("plain"))
    assert primary_metric(["plain", "accuracy", "nll"]) == "nll"
    assert primary_metric(["plain", "accuracy"]) == "accuracy"
    assert metric_info("pitch_nll").smaller_is_better


def test_a_metric_from_outside_has_its_own_name_or_what_is_said_of_it(monkeypatch) -> None:
    assert (metric_info("distance").heading, metric_info("val/distance").short) == ("distance",) * 2
    assert not metric_info("distance").smaller_is_better
    info = MetricInfo("distance", "key distance", smaller_is_better=True)
    monkeypatch.setitem(METRICS, "distance", info)
    assert metric_info("val/distance") is info


@pytest.mark.parametrize(
    ("name", "is_error"),
    [
        *(
            ("val/loss", True),
            ("val/latest_loss", True),
            ("rmse", True),
            ("val/student_rmse", True),
        ),
        *(("val/auroc", False), ("r2", False), ("lossless", False)),
    ],
)
def test_of_losses_and_errors_the_least_is_best(name, is_error) -> None:
    assert metric_info(name).smaller_is_better == is_error
