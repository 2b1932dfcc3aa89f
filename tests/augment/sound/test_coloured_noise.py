import pytest
import torch

from musicssl.augment.sound.coloured_noise import ColouredNoise
from musicssl.errors import InputError

SAMPLES = 1 << 15


def noise_of(transform, num_clips=1, samples=SAMPLES):
    torch.manual_seed(0)
    x = torch.ones(num_clips, samples, dtype=torch.float64)
    return transform(x) - x


def octaves(noise):
    """Mean power density in each of the nine octaves below half the sample rate, in dB, (B, 9)."""
    power = torch.fft.rfft(noise * torch.hann_window(noise.shape[1])).abs().square()
    top = power.shape[1] - 1
    means = [power[:, top >> k + 1 : top >> k].mean(dim=1) for k in range(9)]
    return 10 * torch.log10(torch.stack(means, dim=1))


@pytest.mark.parametrize("decay_db", [-6.0, 0.0, 3.01, 6.0])
def test_the_power_density_has_the_chosen_slope(decay_db):
    bands = octaves(noise_of(ColouredNoise(0, 0, decay_db, decay_db), num_clips=50)).mean(dim=0)
    # 50 clips have 50 * 16 independent bins or more in the octaves compared: 0.2 dB.
    slopes = bands[:6].diff()  # from each octave to the one below
    torch.testing.assert_close(slopes, torch.full((5,), decay_db).double(), atol=0.6, rtol=0)


def test_brown_noise_is_flat_below_the_nine_octaves():
    power = torch.fft.rfft(noise_of(ColouredNoise(0, 0, 6.02, 6.02), 200)).abs().square()
    density = power.mean(dim=0)
    edge = SAMPLES // 2 >> 9  # 32
    ratio = density[1 : edge // 2].mean() / density[edge // 2 : edge].mean()
    # Of 200 times 15 and 16 exponential numbers; without the flat part it would be about 10.
    assert abs(ratio.item() - 1) < 5 * (2 / (200 * 15)) ** 0.5


def test_slopes_fill_their_range():
    bands = octaves(noise_of(ColouredNoise(0, 0, -6.0, 6.0), num_clips=300, samples=1 << 13))
    slopes = (bands[:, 5] - bands[:, 0]) / 5
    assert -6.6 < slopes.min() < -5.4
    assert 5.4 < slopes.max() < 6.6
    assert abs(slopes.mean().item()) < 5 * 12 / 12**0.5 / 300**0.5


@pytest.mark.parametrize("decay_db", [-6.0, 6.0])
def test_the_ratio_is_exact_over_the_valid_samples_whatever_the_colour(decay_db):
    torch.manual_seed(0)
    x = torch.randn(4, 2000, dtype=torch.float64) * torch.logspace(-3, 0, 4)[:, None]
    lengths = [2000, 1, 300, 1999]
    noise = ColouredNoise(12, 12, decay_db, decay_db)(x, torch.tensor(lengths)) - x
    for clip, added, length in zip(x, noise, lengths, strict=True):
        ratio = clip[:length].square().sum() / added[:length].square().sum()
        assert 10 * torch.log10(ratio).item() == pytest.approx(12, abs=1e-6)


def test_a_slope_the_wrong_way_round_is_refused():
    with pytest.raises(InputError, match=r"coloured_noise\.min_decay_db=6 is larger"):
        ColouredNoise(3, 30, 6, -6)
