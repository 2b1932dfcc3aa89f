import pytest
import torch

from musicssl.augment.dsp.signal_to_noise import SignalToNoise
from musicssl.errors import InputError


def test_ratios_are_uniform_in_decibels_whatever_the_level_of_the_clip():
    """Kolmogorov and Smirnov: the largest gap to the distribution function, at p = 1e-6."""
    torch.manual_seed(0)
    levels = torch.logspace(-3, 0, 5000, dtype=torch.float64)[:, None]
    noise = SignalToNoise("noise", 10, 40).noise_level(levels.expand(-1, 4), None)
    u = ((20 * torch.log10(levels / noise)[:, 0] - 10) / 30).sort().values
    gap = (u - (torch.arange(5000) + 0.5) / 5000).abs().max().item()
    assert gap < (0.5 * torch.log(torch.tensor(2 / 1e-6)).item() / 5000) ** 0.5


def test_the_transform_is_named_in_what_is_refused():
    with pytest.raises(InputError, match=r"hiss\.min_snr_db must be 0 \(off\) or more, got -1"):
        SignalToNoise("hiss", -1, 10)
    with pytest.raises(InputError, match=r"hiss\.min_snr_db=20 is larger than .*; exchange"):
        SignalToNoise("hiss", 20, 10)
