import math

import pytest
import torch

from musicssl.augment.sound.distortion import Distortion
from musicssl.errors import InputError


def test_peaks_are_rounded_by_the_formula():
    x = torch.linspace(-2, 2, 9, dtype=torch.float64)[None]
    y = Distortion(6.0, 6.0)(x)[0].tolist()
    gain = 10 ** (6 / 20)
    assert y == pytest.approx([math.tanh(gain * value) / gain for value in x[0].tolist()])


def test_the_third_harmonic_grows_by_12_db_with_6_db_of_gain():
    """tanh(u) = u - u^3 / 3 + ..., so that a tone of amplitude a gets a third of (g a)^2 / 12."""
    time = torch.arange(1000, dtype=torch.float64)
    x = 0.05 * torch.sin(2 * math.pi * time / 100)[None]
    for gain_db in (0.0, 6.0):
        spectrum = torch.fft.rfft(Distortion(gain_db, gain_db)(x)[0]).abs()
        expected = (10 ** (gain_db / 20) * 0.05) ** 2 / 12
        assert (spectrum[30] / spectrum[10]).item() == pytest.approx(expected, rel=0.01)


def test_little_gain_is_no_distortion():
    x = torch.rand(2, 100, dtype=torch.float64)
    torch.testing.assert_close(Distortion(-80.0, -80.0)(x), x)


def test_gains_fill_their_range_each_decibel_as_likely():
    """Of a very loud clip 1 / g is left."""
    torch.manual_seed(0)
    y = Distortion(3.0, 9.0)(torch.full((4000, 1), 1e3, dtype=torch.float64))
    u = (-20 * y[:, 0].log10() - 3).sort().values / 6
    assert (u - (torch.arange(4000) + 0.5) / 4000).abs().max() < 0.043  # p = 1e-6


def test_gains_the_wrong_way_round_are_refused():
    with pytest.raises(InputError, match=r"distortion\.min_gain_db=9"):
        Distortion(9.0, 3.0)
