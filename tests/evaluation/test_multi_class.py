"""Oracle: scikit-learn, on the clips whose class was observed."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    precision_recall_fscore_support,
    roc_auc_score,
)
from torch import Tensor
from torch.nn.functional import one_hot

from musicssl.errors import InputError
from musicssl.evaluation.metrics import macro
from musicssl.evaluation.multi_class import multi_class_metrics, weighted_accuracy

KEYS = ["precision", "recall", "f1", "auroc", "average_precision", "positives", "observed"]


def answered(seed: int, num_classes: int = 5) -> tuple[Tensor, Tensor, Tensor]:
    """Scores, one-hot targets and mask of 150 clips, a third of them not observed."""
    generator = torch.Generator().manual_seed(seed)
    truth = torch.randint(num_classes, (150,), generator=generator)
    targets = one_hot(truth, num_classes).float()
    logits = torch.randn(150, num_classes, generator=generator, dtype=torch.float64) + targets
    mask = (torch.rand(150, 1, generator=generator) < 0.67).expand(-1, num_classes).clone()
    return logits.softmax(dim=1), targets, mask


@pytest.mark.parametrize("seed", range(4))
def test_agrees_with_scikit_learn_on_the_observed_clips(seed: int) -> None:
    scores, targets, mask = answered(seed)
    per_class, overall = multi_class_metrics(scores, targets, mask)
    assert list(per_class) == KEYS
    seen = mask.all(dim=1)
    score, target = scores[seen].numpy(), targets[seen].numpy()
    truth, guess = target.argmax(axis=1), score.argmax(axis=1)
    decisions = precision_recall_fscore_support(truth, guess, labels=range(5), zero_division=0.0)
    expected = [*decisions[:3], roc_auc_score(target, score, average=None)]
    expected += [average_precision_score(target, score, average=None), decisions[3]]
    for key, values in zip(KEYS, expected, strict=False):
        np.testing.assert_allclose(per_class[key], values, atol=1e-6, err_msg=key)
    assert (per_class["observed"] == len(truth)).all()
    assert overall["accuracy"] == pytest.approx(accuracy_score(truth, guess))
    assert overall["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(truth, guess))
    means = macro(per_class)
    assert {key: overall[key] for key in means} == means
    assert overall.keys() - means.keys() == {"accuracy", "balanced_accuracy"}


def test_what_was_not_observed_does_not_count() -> None:
    scores, targets, mask = answered(1)
    other = multi_class_metrics(scores.where(mask, torch.nan), targets.where(mask, 1), mask)
    assert other.macro == multi_class_metrics(scores, targets, mask).macro


def test_a_class_that_does_not_occur_is_undefined_and_leaves_the_mean_alone() -> None:
    scores, targets, mask = answered(2)
    mask[targets[:, 3] == 1] = False
    per_class, overall = multi_class_metrics(scores, targets, mask)
    for key in KEYS[:5]:
        assert per_class[key].isnan().tolist() == [False, False, False, True, False], key
    seen = mask.all(dim=1)
    truth, guess = targets[seen].argmax(dim=1), scores[seen].argmax(dim=1)
    assert (guess == 3).any()
    recalls = [(guess[truth == c] == c).double().mean().item() for c in (0, 1, 2, 4)]
    assert overall["balanced_accuracy"] == pytest.approx(sum(recalls) / 4)


def test_a_class_that_is_never_answered_has_precision_0() -> None:
    scores = torch.tensor([[0.8, 0.2], [0.9, 0.1]])
    per_class = multi_class_metrics(scores, torch.eye(2), torch.ones(2, 2).bool()).per_class
    assert [per_class[key][1].item() for key in KEYS[:3]] == [0, 0, 0]


def test_the_first_of_equal_scores_is_the_answer() -> None:
    scores, mask = torch.full((2, 2), 0.5), torch.ones(2, 2, dtype=torch.bool)
    assert multi_class_metrics(scores, torch.eye(2), mask).macro["accuracy"] == 0.5
    assert multi_class_metrics(scores[:1], torch.eye(2)[:1], mask[:1]).macro["accuracy"] == 1


def test_no_clips_at_all_are_nan_and_not_an_error() -> None:
    nothing = (torch.empty(0, 3), torch.empty(0, 3), torch.empty(0, 3, dtype=torch.bool))
    assert all(math.isnan(value) for value in multi_class_metrics(*nothing).macro.values())
    assert math.isnan(weighted_accuracy(*nothing, torch.eye(3)))


def test_a_score_that_is_no_probability_is_refused() -> None:
    scores, mask = torch.tensor([[0.5, math.nan]]), torch.ones(1, 2, dtype=torch.bool)
    with pytest.raises(InputError, match="probability"):
        multi_class_metrics(scores, torch.tensor([[1.0, 0.0]]), mask)


def test_credit_of_the_identity_is_accuracy() -> None:
    scores, targets, mask = answered(3)
    expected = multi_class_metrics(scores, targets, mask).macro["accuracy"]
    assert weighted_accuracy(scores, targets, mask, torch.eye(5)) == pytest.approx(expected)


def test_credit_is_that_of_the_answer_where_another_is_right() -> None:
    credit = torch.tensor([[1.0, 0.5, 0.0], [0.2, 1.0, 0.3], [0.0, 0.0, 1.0]])
    answers, truth = torch.tensor([0, 0, 1, 2, 1]), torch.tensor([0, 1, 2, 1, 0])
    mask = torch.tensor([[True], [True], [True], [True], [False]]).expand(-1, 3)
    found = weighted_accuracy(one_hot(answers, 3) * 0.9, one_hot(truth, 3), mask, credit)
    assert found == pytest.approx((1.0 + 0.5 + 0.3 + 0.0) / 4)


def test_a_clip_of_which_some_classes_were_not_observed_does_not_count():
    scores, targets, mask = answered(3)
    partly = mask.clone()
    known = torch.nonzero(mask.all(dim=1)).flatten()
    partly[known[:20], 0] = False
    gone = mask.clone()
    gone[known[:20]] = False
    found = multi_class_metrics(scores, targets, partly).macro
    assert found == multi_class_metrics(scores, targets, gone).macro
    assert found != multi_class_metrics(scores, targets, mask).macro
