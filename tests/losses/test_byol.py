"""Oracles: equation 2 in loops, and known angles."""

import math

import pytest
import torch
from torch.nn.functional import cosine_similarity

from musicssl.losses.byol import prediction_loss


def draw(views, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(5, views, 4, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("views", [2, 3])
def test_is_the_mean_over_ordered_pairs_of_views(views):
    predictions, targets = draw(views, 0), draw(views, 1)
    losses = [
        2 - 2 * cosine_similarity(predictions[b, v], targets[b, w], dim=0)
        for b in range(5)
        for v in range(views)
        for w in range(views)
        if v != w
    ]
    torch.testing.assert_close(prediction_loss(predictions, targets), torch.stack(losses).mean())


@pytest.mark.parametrize("angle", [0, math.pi / 3, math.pi])
def test_is_the_squared_distance_between_unit_vectors_whatever_their_scale(angle):
    predictions = torch.tensor([[[3.0, 0.0], [3.0, 0.0]]])
    targets = 0.1 * torch.tensor([math.cos(angle), math.sin(angle)]).expand(1, 2, 2)
    expected = (2 * math.sin(angle / 2)) ** 2
    assert prediction_loss(predictions, targets).item() == pytest.approx(expected, abs=1e-6)


def test_the_gradient_is_that_of_finite_differences_and_none_reaches_the_targets():
    predictions, targets = draw(2, 0).requires_grad_(), draw(2, 1).requires_grad_()
    prediction_loss(predictions, targets).backward()
    assert targets.grad is None
    assert torch.autograd.gradcheck(lambda p: prediction_loss(p, targets.detach()), predictions)


def test_zeros_do_no_harm_and_half_precision_is_lifted_also_under_autocast():
    predictions = draw(2, 0).half()
    predictions[0] = 0
    predictions.requires_grad_()
    targets = draw(2, 1).half()
    expected = prediction_loss(predictions.float(), targets.float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = prediction_loss(predictions, targets)
    assert torch.equal(loss, expected)
    loss.backward()
    assert predictions.grad.isfinite().all()
