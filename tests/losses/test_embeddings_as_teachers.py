import math

import pytest
import torch

from musicssl.losses.embeddings_as_teachers import (
    cosine_difference_loss,
    distance_correlation_loss,
)
from tests.support.relations import distance_correlation


def drawn(n=12, width=5, other=7, seed=0):
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(n, width, generator=g)
    noise = torch.randn(n, other, generator=g)
    return x, x[:, :1] * torch.ones(other) + noise


@pytest.mark.parametrize("unbiased", [False, True])
@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
def test_the_distance_correlation_is_that_of_its_definition(unbiased, scale):
    x, y = drawn()
    loss = distance_correlation_loss(x * scale, y, unbiased)
    assert loss.item() == pytest.approx(1 - distance_correlation(x, y, unbiased), abs=1e-5)


@pytest.mark.parametrize(("unbiased", "name"), [(False, ""), (True, "u_")])
def test_the_distance_correlation_is_that_of_dcor(unbiased, name):
    dcor = pytest.importorskip("dcor", reason="dcor is not installed")
    x, y = (part.double().numpy() for part in drawn())
    expected = 1 - getattr(dcor, f"{name}distance_correlation_sqr")(x, y)
    x, y = drawn()
    assert distance_correlation_loss(x, y, unbiased).item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("unbiased", [False, True])
def test_rotation_shift_and_scale_make_no_difference(unbiased):
    x, _ = drawn()
    rotation, _ = torch.linalg.qr(torch.randn(5, 5))
    loss = distance_correlation_loss(3 * x @ rotation + 2, x, unbiased)
    assert loss.item() == pytest.approx(0, abs=1e-6)


def test_only_the_unbiased_estimate_sees_that_embeddings_are_independent():
    """The bias of the published one at a batch of 16: a correlation of 0.99."""
    g = torch.Generator().manual_seed(0)
    x, y = torch.randn(2, 40, 16, 512, generator=g)
    assert distance_correlation_loss(x, y).mean() < 0.02
    assert distance_correlation_loss(x, y, unbiased=True).mean() == pytest.approx(1, abs=0.05)


def test_leading_dimensions_are_further_pairs():
    x, y = torch.randn(3, 8, 4), torch.randn(3, 8, 6)
    for function in (distance_correlation_loss, cosine_difference_loss):
        each = torch.stack([function(*pair) for pair in zip(x, y, strict=True)])
        torch.testing.assert_close(function(x, y), each)


@pytest.mark.parametrize("unbiased", [False, True])
def test_a_student_that_has_collapsed_has_finite_gradients(unbiased):
    x = torch.ones(6, 3, requires_grad=True)
    loss = distance_correlation_loss(x, drawn(6)[1], unbiased)
    loss.backward()
    assert loss.item() == 1
    assert x.grad.isfinite().all()


def test_clips_that_are_equal_have_finite_gradients():
    x = torch.randn(4, 3).repeat(2, 1).requires_grad_()
    distance_correlation_loss(x, drawn(8)[1]).backward()
    assert x.grad.isfinite().all()
    assert x.grad.abs().sum() > 0


@pytest.mark.parametrize("unbiased", [False, True])
def test_the_gradient_is_that_of_finite_differences(unbiased):
    x, y = drawn(6)
    x.requires_grad_()
    distance_correlation_loss(x, y, unbiased).backward()
    step = torch.zeros_like(x)
    step[2, 1] = 1e-3
    with torch.no_grad():
        change = distance_correlation(x - step, y, unbiased)
        change -= distance_correlation(x + step, y, unbiased)
    assert x.grad[2, 1].item() == pytest.approx(change / 2e-3, abs=1e-3)


def test_cosines_are_compared_pair_by_pair():
    x, y = drawn(4)
    pairs = [
        abs(torch.cosine_similarity(x[i], x[j], dim=0) - torch.cosine_similarity(y[i], y[j], dim=0))
        for i in range(4)
        for j in range(4)
    ]
    torch.testing.assert_close(cosine_difference_loss(x, y), torch.stack(pairs).mean())
    assert cosine_difference_loss(x, 5 * x).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 9, 12])
@pytest.mark.parametrize("loss", ["cosine", "biased", "unbiased"])
def test_a_loss_of_known_clips_is_that_of_these_selected_with_its_gradient(loss, count):
    torch.manual_seed(count)
    fewest = {"cosine": 2, "biased": 2, "unbiased": 4}[loss]
    known = torch.randperm(12) < count
    y = torch.randn(12, 5).masked_fill(~known[:, None], math.nan)

    def found(x, y, known=None):
        if loss == "cosine":
            return cosine_difference_loss(x, y, known)
        return distance_correlation_loss(x, y, loss == "unbiased", known)

    x, chosen = (torch.randn(12, 4, generator=torch.Generator().manual_seed(1)) for _ in range(2))
    x.requires_grad_(), chosen.requires_grad_()
    masked = found(x, y, known)
    masked.backward()
    assert x.grad.isfinite().all()
    if count < fewest:
        assert masked.item() == pytest.approx(0, abs=1e-6)
        return
    selected = found(chosen[known], y[known])
    selected.backward()
    torch.testing.assert_close(masked, selected)
    torch.testing.assert_close(x.grad, chosen.grad, rtol=1e-4, atol=1e-5)
