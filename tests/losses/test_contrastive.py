"""Oracles: the formula in loops, pytorch-metric-learning, lightly, and closed forms."""

import math

import pytest
import torch
from lightly.loss import NTXentLoss as LightlyNTXentLoss
from pytorch_metric_learning.losses import NTXentLoss, SupConLoss
from pytorch_metric_learning.reducers import MeanReducer
from torch.nn.functional import normalize

from musicssl.losses.contrastive import chunked_contrastive_loss, contrastive_loss, unit_vectors


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def projections(count=12, dim=5, seed=0, dtype=torch.float64):
    return torch.randn(count, dim, generator=generator(seed), dtype=dtype, requires_grad=True)


def similarities(count=12, seed=1, dtype=torch.float64):
    """Draw W: asymmetric, about half zeros, with something on its diagonal."""
    w = torch.rand(count, count, generator=generator(seed), dtype=dtype)
    return w.where(w > 0.5, 0).fill_diagonal_(0.7)


def same(labels):
    return (labels[:, None] == labels).double()


def by_hand(z, weights, temperature):
    """The formula, an anchor, a positive and a rival at a time; autograd knows its gradient."""

    def score(i, j):
        return torch.exp(z[i] @ z[j] / (z[i].norm() * z[j].norm()) / temperature)

    losses = []
    for i in range(len(z)):
        others = [j for j in range(len(z)) if j != i]
        total = sum(weights[i, j] for j in others)
        if total == 0:
            continue
        loss = 0.0
        for j in others:
            p = score(i, j) / sum(score(i, k) for k in others)
            loss = loss - weights[i, j] / total * torch.log(p)
        losses.append(loss)
    return torch.stack(losses).mean()


def value_and_gradient(loss, z):
    return loss, torch.autograd.grad(loss, z)[0]


@pytest.mark.parametrize("temperature", [0.1, 0.5])
@pytest.mark.parametrize("anchors", [12, 7])
def test_value_and_gradient_are_those_of_the_formula_in_loops(anchors, temperature):
    z, weights = projections(), similarities()
    weights[anchors:] = 0
    found = value_and_gradient(contrastive_loss(z, weights, temperature), z)
    expected = value_and_gradient(by_hand(z, weights, temperature), z)
    torch.testing.assert_close(found, expected)


def test_the_gradient_is_that_of_finite_differences():
    weights = similarities(6)
    weights[2] = 0
    assert torch.autograd.gradcheck(lambda z: contrastive_loss(z, weights, 0.3), projections(6, 3))


@pytest.mark.parametrize("temperature", [0.07, 0.5])
def test_crops_of_the_same_clip_make_it_nt_xent(temperature):
    z, clips = projections(16), torch.arange(16) // 2
    found = contrastive_loss(z, same(clips), temperature)
    torch.testing.assert_close(found, NTXentLoss(temperature)(z, clips))
    torch.testing.assert_close(found, LightlyNTXentLoss(temperature)(z[::2], z[1::2]))


def test_the_same_class_makes_it_supcon():
    z, classes = projections(16), torch.arange(16) % 3
    torch.testing.assert_close(
        contrastive_loss(z, same(classes), 0.1), SupConLoss(temperature=0.1)(z, classes)
    )


def test_anchors_without_positives_are_left_out_and_not_counted_as_zero():
    """The mean over all anchors, of SemiSupCon's code, is less by the share of them."""
    z = projections(16)
    classes = torch.cat([torch.zeros(4), torch.arange(1, 13)]).long()  # four alike, twelve alone
    found = contrastive_loss(z, same(classes), 0.1)
    torch.testing.assert_close(found, SupConLoss(temperature=0.1)(z, classes))
    all_anchors = SupConLoss(temperature=0.1, reducer=MeanReducer())(z, classes)
    torch.testing.assert_close(found * 4 / 16, all_anchors)
    assert (torch.autograd.grad(found, z)[0][4:] != 0).any(dim=1).all()  # rivals all the same


@pytest.mark.parametrize("z", [torch.eye(16), torch.ones(16, 16)], ids=["orthonormal", "collapsed"])
def test_where_nothing_can_be_told_apart_the_loss_is_the_logarithm_of_the_choices(z):
    loss = contrastive_loss(z, same(torch.arange(16) // 2), 0.1)
    assert loss.item() == pytest.approx(math.log(15), rel=1e-6)
    assert math.log(15) == pytest.approx(2.708050, abs=1e-6)


def test_perfect_pairs_orthogonal_to_all_others_have_the_loss_of_the_closed_form():
    z = torch.eye(8, dtype=torch.float64).repeat_interleave(2, dim=0)
    expected = math.log(math.exp(10) + 14) - 10
    assert expected == pytest.approx(6.354e-4, abs=1e-7)
    loss = contrastive_loss(z, same(torch.arange(16) // 2), 0.1)
    assert loss.item() == pytest.approx(expected, rel=1e-9)


def test_the_least_loss_is_the_entropy_of_the_target():
    z = projections()
    cosines = torch.nn.functional.cosine_similarity(z[:, None], z[None], dim=2).detach()
    target = (cosines / 0.2).fill_diagonal_(-math.inf).softmax(dim=1)
    entropy = -torch.xlogy(target, target).sum(dim=1).mean()
    scales = torch.rand(12, 1, generator=generator(3)) + 0.5  # rows count up to a factor
    loss, gradient = value_and_gradient(contrastive_loss(z, scales * target, 0.2), z)
    torch.testing.assert_close(loss, entropy)
    assert gradient.abs().max() < 1e-12
    for seed in range(1, 6):
        assert contrastive_loss(projections(seed=seed), target, 0.2) > entropy + 0.01


def test_rotation_scale_and_the_order_of_rows_change_nothing():
    z, weights = projections(), similarities()
    expected = contrastive_loss(z, weights)
    rotation = torch.linalg.qr(torch.randn(5, 5, generator=generator(2), dtype=torch.float64)).Q
    scales = torch.logspace(-6, 6, 12, dtype=torch.float64)[:, None]
    order = torch.randperm(12, generator=generator(3))
    torch.testing.assert_close(contrastive_loss(z @ rotation, weights), expected)
    torch.testing.assert_close(contrastive_loss(z * scales, weights), expected)
    torch.testing.assert_close(contrastive_loss(z[order], weights[order][:, order]), expected)


def test_scaled_rows_of_the_target_and_its_diagonal_change_nothing_and_it_does_not_change():
    z, weights = projections(), similarities()
    expected = contrastive_loss(z, weights)
    other = weights.clone().fill_diagonal_(100) * torch.arange(1, 13)[:, None]
    before = other.clone()
    torch.testing.assert_close(contrastive_loss(z, other), expected)
    assert torch.equal(other, before)


@pytest.mark.parametrize("temperature", [0.05, 0.01])
def test_the_hardest_positives_keep_their_gradient(temperature):
    """Positives are antipodal, rivals coincide; 1e-6 beside p would hide such positives."""
    angles = torch.tensor([0.1, math.pi + 0.3, 0.2, math.pi + 0.4], dtype=torch.float64)
    z = torch.stack([angles.cos(), angles.sin()], dim=1)
    weights = same(torch.tensor([0, 0, 1, 1]))
    found = z.float().requires_grad_()
    expected = z.requires_grad_()
    value, gradient = value_and_gradient(contrastive_loss(found, weights, temperature), found)
    true_value, true_gradient = value_and_gradient(by_hand(z, weights, temperature), expected)
    assert true_value > 1.9 / temperature
    assert true_gradient.norm() > 0.1 / temperature
    torch.testing.assert_close(value, true_value.float())
    torch.testing.assert_close(gradient, true_gradient.float(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_compared_in_single_precision_also_under_autocast(dtype):
    weights = similarities(dtype=torch.float32)
    half = projections(dtype=torch.float32).detach().to(dtype).requires_grad_()
    full = half.detach().float().requires_grad_()
    expected = value_and_gradient(contrastive_loss(full, weights, 0.05), full)
    with torch.autocast("cpu", dtype=dtype):
        loss = contrastive_loss(half, weights, 0.05)
        half_full = contrastive_loss(full, weights, 0.05)
    (gradient,) = torch.autograd.grad(loss, half)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, expected[0])
    assert torch.equal(half_full, expected[0])
    torch.testing.assert_close(gradient, expected[1].to(dtype))
    assert gradient.isfinite().all()


@pytest.mark.parametrize("count", [12, 1])
def test_without_any_positive_loss_and_gradient_are_0(count):
    z = projections(count)
    loss, gradient = value_and_gradient(contrastive_loss(z, torch.eye(count)), z)
    assert loss.item() == 0
    assert (gradient == 0).all()


def test_projections_of_zeros_are_like_nothing_and_harm_nothing():
    z = projections().detach()
    z[3] = 0
    z.requires_grad_()
    loss, gradient = value_and_gradient(contrastive_loss(z, similarities()), z)
    orthogonal = torch.cat([z.detach(), torch.zeros(12, 1)], dim=1)
    orthogonal[3, -1] = 1  # a vector with cosine 0 to all others
    torch.testing.assert_close(loss, contrastive_loss(orthogonal, similarities()))
    assert gradient.isfinite().all()
    assert gradient[3].norm() < 100


@pytest.mark.parametrize("chunk_rows", [1, 5, 12, 100])
def test_in_chunks_value_and_gradient_are_the_same(chunk_rows):
    z, weights = projections(), similarities()
    weights[4] = 0
    seen = []

    def some_rows(rows):
        seen.append(len(weights[rows]))
        return weights[rows]

    chunked = chunked_contrastive_loss(z, some_rows, 0.1, chunk_rows)
    assert sum(seen) == 12
    assert max(seen) <= chunk_rows
    expected = value_and_gradient(contrastive_loss(z, weights, 0.1), z)
    torch.testing.assert_close(value_and_gradient(chunked, z), expected)


@pytest.mark.parametrize("shape", [(5, 3), (2, 4, 3)])
def test_agrees_with_pytorch_in_value_and_gradient(shape):
    z = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.autograd.gradcheck(unit_vectors, z.requires_grad_())
    torch.testing.assert_close(unit_vectors(z), normalize(z, dim=-1))


def test_zeros_stay_zeros_and_have_a_gradient_of_ordinary_size():
    z = torch.tensor([[0.0, 0.0], [3.0, 4.0]], requires_grad=True)
    unit = unit_vectors(z)
    assert unit.tolist() == [[0, 0], [pytest.approx(0.6), pytest.approx(0.8)]]
    unit.sum().backward()
    assert z.grad[0].tolist() == [1, 1]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_lifted(dtype):
    z = torch.full((1, 4096), 200.0, dtype=dtype)  # the sum of squares is beyond float16
    assert unit_vectors(z).dtype == torch.float32
    torch.testing.assert_close(unit_vectors(z), torch.full((1, 4096), 1 / 64))
