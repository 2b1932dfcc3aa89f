from functools import partial

import pytest
import torch
from torch.nn.functional import mse_loss

from musicssl.data.checks import TASKS as KNOWN_TO_CORPORA
from musicssl.errors import InputError
from musicssl.evaluation.metrics import METRICS, MetricInfo, macro, per_class_metrics
from musicssl.evaluation.multi_class import multi_class_metrics
from musicssl.evaluation.regression import regression_metrics
from musicssl.evaluation.tasks import MULTI_CLASS, MULTI_LABEL, REGRESSION, TASKS, task_named
from musicssl.losses.balanced_bce import balanced_bce
from musicssl.losses.cross_entropy import cross_entropy
from musicssl.losses.masked_bce import masked_bce
from musicssl.losses.partial_bce import partial_bce
from musicssl.losses.squared_error import squared_error

LOSSES = {masked_bce, balanced_bce, partial_bce, cross_entropy, squared_error}
FITTING = {
    MULTI_LABEL: {masked_bce, balanced_bce, partial_bce},
    MULTI_CLASS: {cross_entropy, masked_bce},
    REGRESSION: {squared_error},
}


def test_each_task_that_a_corpus_may_have_is_found_by_its_name():
    assert tuple(task.name for task in TASKS) == KNOWN_TO_CORPORA
    assert [task_named(task.name) for task in TASKS] == list(TASKS)
    with pytest.raises(InputError, match="no task 'ranking'; choose one of: multi_label, "):
        task_named("ranking")


def test_scores_are_probabilities_of_classes_or_the_values_themselves():
    logits = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))
    odds = logits.exp()
    torch.testing.assert_close(MULTI_LABEL.scores(logits), odds / (1 + odds))
    torch.testing.assert_close(MULTI_CLASS.scores(logits), odds / odds.sum(dim=2, keepdim=True))
    assert REGRESSION.scores(logits) is logits


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_a_task_takes_the_losses_for_it_and_refuses_those_for_others(task):
    for loss in LOSSES:
        for chosen in (loss, partial(loss)):  # as Hydra builds it
            if loss in FITTING[task]:
                assert task.loss(chosen) is chosen
            else:
                refusal = f"^loss={loss.__name__} is not for .* kind {task.name}, .*; choose loss="
                with pytest.raises(InputError, match=refusal):
                    task.loss(chosen)


def test_unasked_a_task_has_a_loss_of_its_own():
    natural = {MULTI_LABEL: masked_bce, MULTI_CLASS: cross_entropy, REGRESSION: squared_error}
    for task, loss in natural.items():
        assert task.loss(None) is loss


def test_a_loss_that_is_not_ours_may_do_as_it_likes():
    def own(logits, targets, mask):
        return mse_loss(logits[mask], targets[mask])

    assert all(task.loss(own) is own for task in TASKS)


def test_metrics_are_those_of_the_kind():
    generator = torch.Generator().manual_seed(0)
    scores = torch.rand(30, 3, generator=generator)
    targets = torch.eye(3).repeat(10, 1)
    mask = torch.ones_like(targets, dtype=torch.bool)
    assert MULTI_LABEL.metrics(scores, targets, mask).macro == macro(
        per_class_metrics(scores, targets, mask)
    )
    one = MULTI_CLASS.metrics(scores, targets, mask).macro
    assert one == multi_class_metrics(scores, targets, mask).macro
    values = REGRESSION.metrics(scores, targets, mask).macro
    assert values == regression_metrics(scores, targets, mask).macro


def test_only_a_regression_has_no_classes_and_only_multi_class_has_one_for_each_clip():
    assert [task.has_classes for task in (MULTI_LABEL, MULTI_CLASS, REGRESSION)] == [1, 1, 0]
    assert [task.one_class_per_clip for task in (MULTI_LABEL, MULTI_CLASS, REGRESSION)] == [0, 1, 0]


def test_a_clip_of_one_class_is_usable_only_if_all_its_classes_were_observed():
    mask = torch.tensor([[True, True, True], [True, False, True], [False, False, False]])
    for task in (MULTI_LABEL, REGRESSION):
        assert task.usable(mask).tolist() == mask.tolist()
    by_loop = [[all(row)] * 3 for row in mask.tolist()]
    assert MULTI_CLASS.usable(mask).tolist() == by_loop


@pytest.mark.parametrize("tasks", [(), ("multi_label",)])
def test_a_metric_with_a_function_is_measured_with_the_others(monkeypatch, tasks):
    """Oracle: the same mean by a loop over classes and clips."""

    def bias(scores, targets, mask):
        differences = (scores - targets).where(mask, torch.nan)
        return differences.nanmean(dim=0)

    monkeypatch.setitem(METRICS, "bias", MetricInfo("bias", tasks=tasks, measure=bias))
    generator = torch.Generator().manual_seed(0)
    scores = torch.rand(6, 3, generator=generator)
    targets = (torch.rand(6, 3, generator=generator) > 0.5).float()
    mask = torch.rand(6, 3, generator=generator) > 0.3
    found = task_named("multi_label").metrics(scores, targets, mask)
    by_hand = []
    for c in range(3):
        cells = [float(scores[n, c] - targets[n, c]) for n in range(6) if mask[n, c]]
        by_hand.append(sum(cells) / len(cells))
    assert found.per_class["bias"].tolist() == pytest.approx(by_hand)
    assert found.macro["bias"] == pytest.approx(sum(by_hand) / 3)
    assert "auroc" in found.macro
    others = task_named("regression").metrics(scores, targets, mask)
    assert ("bias" in others.macro) == (tasks == ())
