import torch

from musicssl.augment.instances.gain import Gain

MAX_SHIFT = 0.1


def shifts(num_clips=5000):
    torch.manual_seed(0)
    x = torch.rand(num_clips, 3, 8, dtype=torch.float64)
    return Gain(MAX_SHIFT)(x) - x


def test_a_clip_is_shifted_as_a_whole():
    shift = shifts()
    torch.testing.assert_close(shift, shift[:, :1, :1].expand_as(shift))


def test_shifts_are_uniform():
    """Kolmogorov and Smirnov: the largest gap to the distribution function, at p = 1e-6."""
    u = ((shifts()[:, 0, 0] / MAX_SHIFT + 1) / 2).sort().values
    n = len(u)
    gap = (u - (torch.arange(n) + 0.5) / n).abs().max().item()
    assert gap < (0.5 * torch.log(torch.tensor(2 / 1e-6)).item() / n) ** 0.5
    assert u[0] >= 0
    assert u[-1] <= 1


def test_neighbouring_clips_are_shifted_independently():
    z = shifts()[:, 0, 0] / MAX_SHIFT * 3**0.5  # of variance 1
    assert abs((z[1:] * z[:-1]).mean().item()) < 5 / len(z) ** 0.5
