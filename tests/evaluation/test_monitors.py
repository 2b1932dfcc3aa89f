"""Oracles: the definitions in loops or by SciPy, and representations whose figures are known."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist
from scipy.stats import entropy

from musicssl.evaluation.monitors import alignment, effective_rank, uniformity


def draw(rows, dim, seed=0):
    return torch.randn(rows, dim, generator=torch.Generator().manual_seed(seed))


def unit(z):
    return (z / z.norm(dim=1, keepdim=True)).numpy().astype(np.float64)


def test_alignment_is_the_mean_squared_distance_of_pairs_of_a_clip():
    z, rows = draw(7, 3), torch.tensor([4, 4, 9, 2, 9, 9, 1])  # the clip 9 is there three times
    pairs = [(i, j) for i in range(7) for j in range(i) if rows[i] == rows[j]]
    assert len(pairs) == 4
    expected = np.mean([((unit(z)[i] - unit(z)[j]) ** 2).sum() for i, j in pairs])
    assert alignment(z, rows).item() == pytest.approx(expected, rel=1e-5)


def test_uniformity_is_that_of_all_pairs():
    z = draw(9, 4)
    expected = math.log(np.exp(-2 * pdist(unit(z), "sqeuclidean")).mean())
    assert uniformity(z).item() == pytest.approx(expected, rel=1e-5)


def test_only_the_first_1024_rows_are_looked_at():
    z, rows = draw(1030, 4), torch.arange(1030) // 2
    assert torch.equal(alignment(z, rows), alignment(z[:1024], rows[:1024]))
    assert torch.equal(uniformity(z), uniformity(z[:1024]))


@pytest.mark.parametrize("value", [0.0, 0.3])
def test_a_collapsed_representation_is_told_by_its_figures(value):
    z, rows = torch.full((8, 5), value), torch.arange(8) // 2
    assert effective_rank(z).item() == 1
    found = alignment(z, rows).item(), uniformity(z).item()
    assert all(math.isfinite(number) for number in found)
    if value:
        assert found == pytest.approx((0, 0), abs=1e-5)


def test_a_clip_that_is_there_once_has_no_alignment():
    assert alignment(draw(4, 3), torch.arange(4)).isnan()


def test_effective_rank_is_the_entropy_of_the_singular_values():
    h = draw(20, 6) * torch.tensor([1.0, 1, 1, 0.1, 0.1, 0]) + 50
    values = np.linalg.svd(h.double().numpy() - h.double().numpy().mean(axis=0))[1]
    values[-1] = 0  # what is left of a constant dimension is rounding
    assert effective_rank(h).item() == pytest.approx(math.exp(entropy(values)), rel=1e-4)


@pytest.mark.parametrize("rank", [1, 3, 8])
def test_directions_of_equal_variance_are_counted(rank):
    corners = torch.cat([torch.eye(8), -torch.eye(8)])[:, :rank]  # centred, and all alike
    basis = torch.linalg.qr(draw(12, rank)).Q
    assert effective_rank(corners @ basis.T + 3).item() == pytest.approx(rank, rel=1e-3)


def test_rounding_is_no_rank():
    same = 100 * draw(1, 16).repeat(50, 1)
    noisy = same * (1 + 1e-7 * draw(50, 16, seed=1))
    assert not torch.equal(noisy, same)
    assert effective_rank(noisy).item() == 1


def test_a_run_that_has_diverged_is_not_stopped_by_its_monitor():
    assert effective_rank(torch.tensor([[1.0, math.nan], [0, 1]])).isnan()


def test_figures_are_of_single_precision_and_without_gradient():
    z, rows = draw(8, 4).bfloat16().requires_grad_(), torch.arange(8) // 2
    full = z.detach().float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = alignment(z, rows), uniformity(z), effective_rank(z)
    assert found == (alignment(full, rows), uniformity(full), effective_rank(full))
    assert not any(value.requires_grad for value in found)
