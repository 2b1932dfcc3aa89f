import numpy as np
import pytest
import torch

from musicssl.augment.dsp.spectral import fast_size, multiply_spectrum


@pytest.mark.parametrize("taps", [1, 30, 200])
def test_multiplying_spectra_is_convolving_and_nothing_wraps_around(taps):
    torch.manual_seed(0)
    x, impulse = torch.randn(3, 100, dtype=torch.float64), torch.randn(3, taps).double()
    lengths = torch.tensor([100, 60, 1])
    heard = impulse[:, :100]

    def response(size):
        return torch.fft.rfft(heard, n=size)

    y = multiply_spectrum(x, lengths, response, taps)
    for clip, length, kernel, result in zip(x, lengths, impulse, y, strict=True):
        expected = np.convolve(clip[:length].numpy(), kernel.numpy())[:100]
        padded = np.pad(expected, (0, 100 - len(expected)))
        np.testing.assert_allclose(result.numpy(), padded, atol=1e-12)


@pytest.mark.parametrize("num_samples", [1, 16, 17, 43_200, 59_049, 65_537])
def test_a_fast_size_has_small_factors_and_is_not_much_larger(num_samples):
    size = rest = fast_size(num_samples)
    assert num_samples <= size < 1.1 * num_samples + 16
    assert size % 16 == 0
    for factor in (2, 3, 5):
        while rest % factor == 0:
            rest //= factor
    assert rest == 1
