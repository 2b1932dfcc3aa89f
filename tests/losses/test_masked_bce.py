import math
from functools import partial

import numpy as np
import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from musicssl.losses.balanced_bce import balanced_bce
from musicssl.losses.masked_bce import masked_bce, pseudo_label_bce
from musicssl.losses.partial_bce import partial_bce

PRIOR = torch.tensor([0.5, 0.2, 0.0, 1.0])
BALANCED = partial(balanced_bce, prior=PRIOR)
LOSSES = [masked_bce, partial_bce, BALANCED]


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
def test_unobserved_targets_do_no_harm(loss):
    logits, targets, mask = random_cells(0)
    targets, logits = targets.round(), logits.requires_grad_()
    value = loss(logits, targets, mask)
    (gradient,) = torch.autograd.grad(value, logits)
    unknown = targets.masked_fill(~mask, math.nan)
    assert torch.equal(loss(logits, unknown, mask), value)
    (same,) = torch.autograd.grad(loss(logits, unknown, mask), logits)
    assert torch.equal(same, gradient)
    assert (gradient[~mask] == 0).all()
    weighted = mask & ((targets == 0) | (PRIOR < 1) | (loss is not BALANCED))
    assert (gradient[weighted] != 0).all()


@pytest.mark.parametrize("loss", LOSSES)
def test_a_batch_without_any_observed_label_has_loss_zero_and_gradient_zero(loss):
    logits, targets, mask = random_cells(0)
    logits.requires_grad_()
    value = loss(logits, targets * math.nan, torch.zeros_like(mask))
    value.backward()
    assert value.item() == 0
    assert (logits.grad == 0).all()


@pytest.mark.parametrize(
    "loss", [masked_bce, partial_bce, partial(balanced_bce, prior=torch.tensor([0.5]))]
)
@pytest.mark.parametrize("logit", [-80.0, 80.0])
@pytest.mark.parametrize("target", [0.0, 1.0])
def test_extreme_logits_cost_their_distance_and_keep_their_gradient(loss, logit, target):
    logits = torch.tensor([[logit]], requires_grad=True)
    mask = torch.ones(1, 1, dtype=torch.bool)
    value = loss(logits, torch.tensor([[target]]), mask)
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


def test_one_label_is_fixmatch_with_a_softmax_over_two_classes():
    """Sohn et al. 2020, equation 4, with logits (0, s) for absent and present."""
    generator = torch.Generator().manual_seed(0)
    weak, strong = (3 * torch.randn(2, 64, 1, generator=generator)).unbind()
    confidence, label = torch.cat([torch.zeros_like(weak), weak], dim=1).softmax(dim=1).max(dim=1)
    trusted = confidence >= 0.95
    each = cross_entropy(
        torch.cat([torch.zeros_like(strong), strong], dim=1), label, reduction="none"
    )
    expected = (trusted * each).mean()
    assert 0 < trusted.sum() < 64

    probs = weak.sigmoid()
    selected = (probs >= 0.95) | (probs <= 1 - 0.95)
    found = pseudo_label_bce(strong, (probs >= 0.5).float(), selected)
    torch.testing.assert_close(found, expected)


def test_with_all_selected_it_is_plain_cross_entropy_and_with_none_it_is_zero():
    logits, targets = torch.randn(7, 4, requires_grad=True), (torch.rand(7, 4) < 0.5).float()
    everything = torch.ones(7, 4, dtype=torch.bool)
    plain = binary_cross_entropy_with_logits(logits, targets)
    torch.testing.assert_close(pseudo_label_bce(logits, targets, everything), plain)
    nothing = pseudo_label_bce(logits, targets, ~everything)
    nothing.backward()
    assert nothing.item() == 0
    assert logits.grad.abs().max() == 0
