import math

import pytest
import torch

from musicssl.losses.balanced_bce import balanced_bce, label_prior
from musicssl.losses.masked_bce import masked_bce

TARGETS = torch.tensor([[1.0, 0, 0, 1], [0, 0, 0, 1], [0, 0.5, 0, 1], [0, 0, 0, 0], [1, 0, 0, 1]])
MASK = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 0, 1], [1, 1, 0, 0], [0, 0, 0, 0]]).bool()


def test_the_prior_is_counted_on_observed_cells():
    unknown = TARGETS.masked_fill(~MASK, math.nan)
    assert label_prior(unknown, MASK).tolist() == [0.25, 0.25, 0, 1]  # 0.5 counts as present


def test_a_class_that_was_never_observed_has_no_prior_and_weight_one():
    prior = label_prior(TARGETS, torch.zeros_like(MASK))
    assert prior.isnan().all()
    logits = torch.randn(5, 4)
    balanced, plain = balanced_bce(logits, TARGETS, MASK, prior), masked_bce(logits, TARGETS, MASK)
    torch.testing.assert_close(balanced, plain)


def test_positives_weigh_negatives_over_positives():
    torch.manual_seed(0)
    logits, prior = torch.randn(5, 4), label_prior(TARGETS, MASK)
    weights = [3.0, 3.0, 1.0, 0.0]  # 3 negatives to 1 positive; none: 1; no negatives: 0
    total = 0.0
    for row, column in MASK.nonzero().tolist():
        y, p = TARGETS[row, column].item(), torch.sigmoid(logits[row, column]).item()
        total -= weights[column] * y * math.log(p) + (1 - y) * math.log(1 - p)
    expected = total / MASK.sum().item()
    assert balanced_bce(logits, TARGETS, MASK, prior).item() == pytest.approx(expected, rel=1e-5)


def test_one_half_is_the_best_constant_however_rare_the_class():
    y = torch.tensor([[1.0], [0], [0], [0], [0]])
    mask = torch.ones_like(y, dtype=torch.bool)
    logit = torch.zeros(1, requires_grad=True)
    balanced_bce(logit.expand(5, 1), y, mask, label_prior(y, mask)).backward()
    assert logit.grad.item() == pytest.approx(0, abs=1e-7)


def test_balanced_classes_have_the_plain_loss():
    logits = torch.randn(6, 3)
    y = torch.tensor([[1.0, 0, 1], [0, 1, 0]]).repeat(3, 1)
    mask = torch.ones_like(y, dtype=torch.bool)
    expected = masked_bce(logits, y, mask)
    torch.testing.assert_close(balanced_bce(logits, y, mask, label_prior(y, mask)), expected)
