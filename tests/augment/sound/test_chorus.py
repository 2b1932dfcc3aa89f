import math

import pytest
import torch

from musicssl.augment.sound.chorus import Chorus
from musicssl.errors import InputError

RATE = 1000  # Hz: a sample lasts 1 ms


def delays_in_ms(transform, num_clips=40, samples=3000):
    """How long ago what is heard was played: of a clip that says what time it is."""
    torch.manual_seed(0)
    time = torch.arange(samples, dtype=torch.float64).expand(num_clips, -1)
    return (time - transform(time))[:, 20:]


def test_the_delay_is_modulated_by_a_sine():
    """Linear interpolation is exact for a ramp. 20 ms after a multiple of the period, 2 s are whole
    periods of 4 Hz, so that means over them are those of a sine."""
    swing = delays_in_ms(Chorus(4, 2.5, 7, 1.0, RATE))
    whole = swing[:, :2000]
    means = whole.mean(dim=1)
    torch.testing.assert_close(means, torch.full_like(means, 7.0))
    variances = (whole - 7).square().mean(dim=1)
    torch.testing.assert_close(variances, torch.full_like(means, 2.5**2 / 2))
    torch.testing.assert_close(swing[:, 250:2250], whole)  # period
    step = 2 * math.pi * 4 / RATE  # a sine is -step^2 times its second difference
    bend = swing.diff(n=2, dim=1)
    expected = (2 * math.cos(step) - 2) * (swing[:, 1:-1] - 7)
    torch.testing.assert_close(bend, expected, atol=1e-9, rtol=0)


def test_phases_are_uniform():
    """The mean of n unit vectors of random directions has a mean square of 1 / n."""
    swing = delays_in_ms(Chorus(4, 2.5, 7, 1.0, RATE), num_clips=2000, samples=300)
    angles = torch.linspace(0, 2 * math.pi, 251)[:-1].double()
    wave = torch.complex(angles.cos(), angles.sin())
    vectors = ((swing[:, :250] - 7) * wave).mean(dim=1) / 1.25
    torch.testing.assert_close(vectors.abs(), torch.ones(2000).double())
    assert vectors.mean().abs() < 5 / 2000**0.5


def test_a_still_voice_is_a_delay():
    torch.manual_seed(0)
    x = torch.randn(2, 100)
    y = Chorus(5, 0, 3, 0.25, RATE)(x)
    assert torch.equal(y[:, :3], 0.75 * x[:, :3])
    torch.testing.assert_close(y[:, 3:], 0.75 * x[:, 3:] + 0.25 * x[:, :-3])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ((5, 4, 3, 0.5, RATE), r"chorus\.depth_ms=4 exceeds chorus\.delay_ms=3; lower it"),
        ((-5, 2, 3, 0.5, RATE), r"chorus\.rate_hz must be 0"),
        ((5, 2, 3, 1.5, RATE), r"chorus\.mix must lie between 0"),
    ],
)
def test_an_invalid_chorus_is_refused(settings, message):
    with pytest.raises(InputError, match=message):
        Chorus(*settings)
