import torch

from musicssl.augment.instances.feature_gain import FeatureGain

STD = 0.15


def factors(num_clips=500, num_instances=4):
    torch.manual_seed(0)
    x = torch.rand(num_clips, num_instances, 64, dtype=torch.float64) + 0.1
    return FeatureGain(STD)(x) / x


def test_a_feature_has_one_factor_in_all_instances_of_a_clip():
    gains = factors()
    torch.testing.assert_close(gains, gains[:, :1].expand_as(gains))


def test_factors_are_normal_around_one():
    z = (factors()[:, 0] - 1) / STD  # (B, F)
    for power, moment, variance in [(1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)]:
        deviation = (variance / z.numel()) ** 0.5  # of the mean of z^power
        assert abs((z**power).mean().item() - moment) < 5 * deviation


def test_features_and_clips_have_factors_of_their_own():
    z = (factors()[:, 0] - 1) / STD
    for product in (z[1:] * z[:-1], z[:, 1:] * z[:, :-1]):
        assert abs(product.mean().item()) < 5 / product.numel() ** 0.5


def test_silence_stays_silent():
    assert torch.equal(FeatureGain(STD)(torch.zeros(2, 3, 4)), torch.zeros(2, 3, 4))
