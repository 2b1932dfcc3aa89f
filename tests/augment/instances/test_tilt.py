import pytest
import torch

from musicssl.augment.instances.tilt import Tilt

MAX_TILT = 0.1


def lines(num_clips=2000, num_instances=3, num_features=9):
    torch.manual_seed(0)
    x = torch.rand(num_clips, num_instances, num_features, dtype=torch.float64)
    return Tilt(MAX_TILT)(x) - x


def test_what_is_added_is_a_straight_line_of_mean_zero():
    line = lines()
    nothing = torch.zeros_like(line)
    torch.testing.assert_close(line.diff(n=2), nothing[..., 2:], rtol=0, atol=1e-14)
    torch.testing.assert_close(line.sum(dim=2), nothing[..., 0], rtol=0, atol=1e-14)


def test_all_instances_of_a_clip_have_the_same_line():
    line = lines()
    torch.testing.assert_close(line, line[:, :1].expand_as(line))


def test_the_ends_are_uniform_up_to_the_largest_tilt():
    u = lines()[:, 0, -1] / MAX_TILT
    assert 0.99 < u.abs().max() <= 1 + 1e-12
    # Of a number uniform in [-1, 1]: mean 0, variance 1/3; its square has mean 1/3, variance 4/45.
    assert abs(u.mean().item()) < 5 * (1 / 3 / len(u)) ** 0.5
    assert (u**2).mean().item() == pytest.approx(1 / 3, abs=5 * (4 / 45 / len(u)) ** 0.5)
