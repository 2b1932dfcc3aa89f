"""Oracle: PyTorch's mean squared error over the observed cells."""

import torch
from torch.nn.functional import mse_loss

from musicssl.losses.squared_error import squared_error


def cells(num_clips=7, num_classes=3):
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(2, num_clips, num_classes, generator=generator)
    mask = torch.rand(num_clips, num_classes, generator=generator) < 0.6
    return values[0].clone().requires_grad_(), 10 * values[1], mask


def test_is_the_mean_square_over_observed_cells():
    predictions, targets, mask = cells()
    expected = mse_loss(predictions[mask], targets[mask])
    torch.testing.assert_close(squared_error(predictions, targets, mask), expected)


def test_unobserved_targets_may_be_anything_and_get_no_gradient():
    predictions, targets, mask = cells()
    loss = squared_error(predictions, targets.where(mask, torch.nan), mask)
    torch.testing.assert_close(loss, squared_error(predictions, targets, mask))
    loss.backward()
    assert torch.equal(predictions.grad != 0, mask)


def test_without_an_observed_cell_loss_and_gradient_are_0():
    predictions, targets, mask = cells()
    loss = squared_error(predictions, targets, torch.zeros_like(mask))
    loss.backward()
    assert loss.item() == 0
    assert (predictions.grad == 0).all()
