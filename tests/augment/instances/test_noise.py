import torch

from musicssl.augment.instances.noise import Noise

STD = 0.2


def noise():
    torch.manual_seed(0)
    x = torch.rand(200, 10, 128, dtype=torch.float64)
    return Noise(STD)(x) - x


def test_moments_are_those_of_the_normal_distribution():
    z = noise() / STD
    n = z.numel()
    for power, moment, variance in [(1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)]:
        deviation = (variance / n) ** 0.5  # of the mean of z^power over n draws
        assert abs((z**power).mean().item() - moment) < 5 * deviation


def test_clips_instances_and_features_are_independent():
    z = noise() / STD
    for pair in [(z[1:], z[:-1]), (z[:, 1:], z[:, :-1]), (z[..., 1:], z[..., :-1])]:
        product = pair[0] * pair[1]
        assert abs(product.mean().item()) < 5 / product.numel() ** 0.5
