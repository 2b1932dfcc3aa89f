import pytest
import torch

from musicssl.augment.sound.filters import Bands, Frequencies, HighPass, LowPass
from musicssl.errors import InputError
from tests.support.filtering import RATE


def is_uniform(u):
    """Kolmogorov and Smirnov: the largest gap to the distribution function, at p = 1e-6."""
    n = len(u)
    gap = (u.sort().values - (torch.arange(n) + 0.5) / n).abs().max().item()
    return gap < (0.5 * torch.log(torch.tensor(2 / 1e-6)).item() / n) ** 0.5


def test_each_octave_is_as_likely():
    torch.manual_seed(0)
    x = torch.empty(5000, 1, dtype=torch.float64)
    hz = Frequencies("low_pass", RATE, min_hz=100, max_hz=1600).draw(x)[:, 0]
    assert is_uniform(torch.log2(hz / 100) / 4)


def test_bands_have_uniform_widths_around_their_centres():
    """r is -1 and 1 at the edges a and b, so r(f) gives ab and b - a at two frequencies."""
    torch.manual_seed(0)
    x = torch.empty(5000, 1, dtype=torch.float64)
    bands = Bands("band_pass", 200, 800, 0.5, 1.5, RATE)
    hz = torch.tensor([500.0, 1000.0], dtype=torch.float64)
    first, second = (bands.outside(hz, x) * hz).T  # (f^2 - ab) / (b - a)
    difference = (1000**2 - 500**2) / (second - first)  # b - a
    product = 500**2 - first * difference  # ab
    middle = (product + difference.square() / 4).sqrt()  # (a + b) / 2
    assert is_uniform(torch.log2(middle / 200) / 2)
    assert is_uniform(difference / middle - 0.5)


@pytest.mark.parametrize("transform", [LowPass(100, 100, RATE), HighPass(100, 100, RATE)])
def test_the_end_of_a_clip_does_not_sound_in_its_beginning(transform):
    x = torch.zeros(1, 4000, dtype=torch.float64)
    x[:, -20:] = 1.0
    y = transform(x)
    assert y[:, :1000].abs().max() < 1e-3 * y.abs().max()


def test_time_has_no_direction():
    """The phase stays as it is: a reversed clip is filtered as the clip is."""
    torch.manual_seed(0)
    x = torch.randn(1, 4000, dtype=torch.float64)
    filtered = LowPass(200, 200, RATE)
    torch.testing.assert_close(filtered(x.flip(1)), filtered(x).flip(1), atol=1e-3, rtol=0)


def test_an_invalid_slope_is_refused():
    with pytest.raises(InputError, match=r"low_pass\.slope_db must be 6 dB per octave or more"):
        LowPass(100, 200, RATE, slope_db=3)
