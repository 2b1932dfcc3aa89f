"""Oracle: PyTorch's cross-entropy on the clips that were observed."""

import torch
from torch.nn.functional import cross_entropy as reference
from torch.nn.functional import one_hot

from musicssl.losses.cross_entropy import cross_entropy


def clips(num_clips=9, num_classes=4):
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(num_clips, num_classes, generator=generator)
    answers = torch.randint(num_classes, (num_clips,), generator=generator)
    mask = torch.ones(num_clips, num_classes, dtype=torch.bool)
    return logits.requires_grad_(), answers, one_hot(answers, num_classes).float(), mask


def test_agrees_with_pytorch_where_all_is_observed():
    logits, answers, targets, mask = clips()
    torch.testing.assert_close(cross_entropy(logits, targets, mask), reference(logits, answers))


def test_targets_may_be_distributions():
    logits, _, _, mask = clips()
    targets = torch.randn(9, 4, generator=torch.Generator().manual_seed(1)).softmax(dim=1)
    torch.testing.assert_close(cross_entropy(logits, targets, mask), reference(logits, targets))


def test_clips_that_are_not_fully_observed_are_left_out_whatever_their_targets():
    logits, answers, targets, mask = clips()
    mask[2], mask[5, 1] = False, False
    targets[2], targets[5] = torch.nan, torch.nan
    loss = cross_entropy(logits, targets, mask)
    kept = mask.all(dim=1)
    torch.testing.assert_close(loss, reference(logits[kept], answers[kept]))
    loss.backward()
    assert (logits.grad[~kept] == 0).all()
    assert (logits.grad[kept] != 0).all()


def test_without_an_observed_clip_loss_and_gradient_are_0():
    logits, _, targets, mask = clips()
    loss = cross_entropy(logits, targets, torch.zeros_like(mask))
    loss.backward()
    assert loss.item() == 0
    assert (logits.grad == 0).all()


def test_a_constant_added_to_a_clips_logits_changes_nothing_and_large_ones_are_finite():
    logits, _, targets, mask = clips()
    shift = torch.linspace(-500, 500, 9)[:, None]
    shifted = cross_entropy(logits + shift, targets, mask)
    torch.testing.assert_close(shifted, cross_entropy(logits, targets, mask), rtol=1e-3, atol=1e-3)
    huge = cross_entropy(1e5 * logits.detach(), targets, mask)
    assert huge.isfinite()


def test_half_precision_logits_give_a_loss_in_float32():
    logits, _, targets, mask = clips()
    loss = cross_entropy(logits.bfloat16(), targets, mask)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, cross_entropy(logits.bfloat16().float(), targets, mask))
