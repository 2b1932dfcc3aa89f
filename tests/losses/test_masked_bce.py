import math

import numpy as np
import pytest
import torch

from musicssl.losses.balanced_bce import balanced_bce
from musicssl.losses.masked_bce import masked_bce
from musicssl.losses.partial_bce import partial_bce

LOSSES = [masked_bce, partial_bce, balanced_bce]
PRIOR = torch.tensor([0.5, 0.2, 0.0, 1.0])


def random_cells(seed):
    rng = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(7, 4, generator=rng)
    targets = torch.rand(7, 4, generator=rng)
    mask = torch.rand(7, 4, generator=rng) < 0.4
    mask[2] = False
    return logits, targets, mask


def test_the_global_mean_of_two_unequal_clips():
    p = torch.tensor([[0.9, 0.5, 0.5], [0.2, 0.2, 0.2]])
    y = torch.tensor([[1.0, 0, 0], [1, 1, 1]])
    mask = torch.tensor([[True, False, False], [True, True, True]])
    expected = -(math.log(0.9) + 3 * math.log(0.2)) / 4
    assert expected == pytest.approx(1.2334186, abs=1e-7)
    assert masked_bce(p.logit(), y, mask).item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_a_loop_over_observed_cells(seed):
    logits, targets, mask = random_cells(seed)
    losses = []
    for row, column in mask.nonzero().tolist():
        y, p = targets[row, column].item(), 1 / (1 + math.exp(-logits[row, column].item()))
        losses.append(-y * math.log(p) - (1 - y) * math.log(1 - p))
    assert masked_bce(logits, targets, mask).item() == pytest.approx(np.mean(losses), rel=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_what_was_not_observed_does_no_harm(loss):
    logits, targets, mask = random_cells(0)
    targets, logits = targets.round(), logits.requires_grad_()
    value = loss(logits, targets, mask, PRIOR)
    (gradient,) = torch.autograd.grad(value, logits)
    unknown = targets.masked_fill(~mask, math.nan)
    assert torch.equal(loss(logits, unknown, mask, PRIOR), value)
    (same,) = torch.autograd.grad(loss(logits, unknown, mask, PRIOR), logits)
    assert torch.equal(same, gradient)
    assert (gradient[~mask] == 0).all()
    weighted = mask & ((targets == 0) | (PRIOR < 1) | (loss is not balanced_bce))
    assert (gradient[weighted] != 0).all()


@pytest.mark.parametrize("loss", LOSSES)
def test_a_batch_without_any_observed_label_has_loss_zero_and_gradient_zero(loss):
    logits, targets, mask = random_cells(0)
    logits.requires_grad_()
    value = loss(logits, targets * math.nan, torch.zeros_like(mask), PRIOR)
    value.backward()
    assert value.item() == 0
    assert (logits.grad == 0).all()


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("logit", [-80.0, 80.0])
@pytest.mark.parametrize("target", [0.0, 1.0])
def test_extreme_logits_cost_their_distance_and_keep_their_gradient(loss, logit, target):
    logits = torch.tensor([[logit]], requires_grad=True)
    mask = torch.ones(1, 1, dtype=torch.bool)
    value = loss(logits, torch.tensor([[target]]), mask, torch.tensor([0.5]))
    value.backward()
    wrong = (logit > 0) != (target == 1)
    assert value.item() == pytest.approx(80.0 if wrong else 0.0, abs=1e-6)
    assert logits.grad.item() == pytest.approx(math.copysign(wrong, logit), abs=1e-6)


def test_half_precision_logits_are_judged_in_single_precision():
    logits, targets, mask = random_cells(0)
    half = logits.half()
    value = masked_bce(half, targets, mask)
    assert value.dtype == torch.float32
    assert value.item() == masked_bce(half.float(), targets, mask).item()
