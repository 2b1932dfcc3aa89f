import numpy as np
import pytest
import torch
from scipy.signal import correlate2d
from torch import nn

from musicssl.encoders.cnn import CNN


def small(**sizes):
    torch.manual_seed(0)
    encoder = CNN(width=2, embed_dim=3, dropout=0.0, **sizes)
    encoder(0.1 * torch.randn(4, encoder.chunk_samples))  # for the statistics of its batch norms
    return encoder.eval()


def test_parameters_follow_from_the_layers():
    blocks = sum(9 * of * to + 2 * to for of, to in [(1, 32), (32, 64), (64, 128), (128, 256)])
    bands_left = 128 // 2**4
    linear = (256 * bands_left + 1) * 256
    count = sum(p.numel() for p in CNN().parameters())
    assert count == blocks + linear == 912_864


def test_an_instance_is_a_second_and_hears_no_other():
    encoder = small()
    x = 0.1 * torch.randn(2, 10 * 16_000)
    before, valid = encoder(x)
    assert valid is None
    assert before.shape == (2, 10, 3)
    x[0, 3 * 16_000 : 4 * 16_000] *= 0.1
    changed = (encoder(x)[0] != before).any(dim=2)
    assert changed.nonzero().tolist() == [[0, 3]]


@pytest.mark.parametrize("frames", [32, 37])
def test_layers_follow_the_formula(frames):
    """Frames that do not fill a pooled pair are left out, as in max pooling everywhere."""
    encoder = small(chunk_samples=frames * 320).double()
    spectrum = torch.randn(128, frames, dtype=torch.float64)
    maps = spectrum.numpy()[None]
    for conv, norm, _, _ in encoder.blocks:
        answers = np.stack(
            [
                sum(correlate2d(a, f, mode="same") for a, f in zip(maps, filters, strict=True))
                for filters in conv.weight.detach().numpy()
            ]
        )
        mean, variance = (t.numpy()[:, None, None] for t in (norm.running_mean, norm.running_var))
        answers = np.maximum((answers - mean) / np.sqrt(variance + norm.eps), 0)
        _, bands, length = answers.shape
        pairs = answers[..., : length // 2 * 2].reshape(-1, bands // 2, 2, length // 2, 2)
        maps = pairs.max(axis=(2, 4))
    assert maps.shape == (16, 8, 2)
    (linear,) = (m for m in encoder.modules() if isinstance(m, nn.Linear))
    hidden = linear.weight.detach().numpy() @ maps.mean(axis=2).reshape(-1)
    expected = np.maximum(hidden + linear.bias.detach().numpy(), 0)
    out = encoder.embed_spectra(spectrum[None, None])[0, 0].detach().numpy()
    np.testing.assert_allclose(out, expected, rtol=1e-9, atol=1e-12)
    assert (out > 0).any()
