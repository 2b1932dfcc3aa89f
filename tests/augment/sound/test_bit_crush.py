import numpy as np
import pytest
import torch

from musicssl.augment.sound.bit_crush import BitCrush
from musicssl.errors import InputError


def uniform(num_samples=100_000):
    torch.manual_seed(0)
    return torch.empty(1, num_samples, dtype=torch.float64).uniform_(-1, 1)


@pytest.mark.parametrize("bits", [1, 4, 8])
def test_samples_are_whole_numbers_of_steps(bits):
    """As an integer of so many bits counts them, from -2^(bits - 1)."""
    x = uniform()
    integers = np.round(x.numpy() * 2 ** (bits - 1)).astype(int)
    np.testing.assert_array_equal(BitCrush(bits)(x).numpy() * 2 ** (bits - 1), integers)
    assert len(np.unique(integers)) == 2**bits + 1  # and full scale


@pytest.mark.parametrize("bits", [4, 5.5, 12])
def test_the_noise_has_the_power_of_rounding(bits):
    x = uniform()
    noise_db = 10 * (BitCrush(bits)(x) - x).square().mean().log10().item()
    assert noise_db == pytest.approx(-6.0206 * bits - 4.771, abs=0.2)


def test_soft_sound_becomes_silence():
    assert not BitCrush(4)(torch.full((1, 5), 0.0624)).any()
    assert BitCrush(4)(torch.full((1, 5), 0.0626)).all()


@pytest.mark.parametrize("bits", [0, -1])
def test_no_bits_are_refused(bits):
    with pytest.raises(InputError, match=r"bit_crush\.bits"):
        BitCrush(bits)
