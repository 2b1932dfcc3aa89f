from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.signal import correlate2d
from torch import nn

from musicssl.encoders.short_chunk import ResidualBlock, ShortChunk


def test_parameters_are_those_of_the_authors():
    """A block has three convolutions, two of them from its input, with biases and batch norms."""
    widths = [1, 128, 128, 256, 256, 256, 256, 512]
    blocks = sum(2 * to * (9 * of + 1 + 2) + to * (9 * to + 1 + 2) for of, to in pairwise(widths))
    back_end = 512 * (512 + 1) + 2 * 512 + 50 * (512 + 1)  # which pooling replaces
    count = sum(p.numel() for p in ShortChunk().parameters())
    assert count == blocks == 11_814_912
    assert count + 2 + back_end == 12_104_244  # 2: gain and offset of their first batch norm


@pytest.mark.parametrize(
    ("chunk_samples", "num_instances"), [(128 * 256, 1), (129 * 256, 2), (59_049, 2), (160_000, 5)]
)
def test_seven_blocks_halve_the_frames_rounding_up(chunk_samples, num_instances):
    encoder = ShortChunk(chunk_samples=chunk_samples, width=1).eval()
    embedded, _ = encoder(torch.zeros(3, chunk_samples))
    left = encoder.num_frames
    for _ in range(7):
        left = (left + 1) // 2
    assert embedded.shape == (3, left, 4) == (3, num_instances, encoder.embed_dim)


def test_one_band_is_empty():
    """As the docstring says; a second one would be news."""
    assert (ShortChunk(width=1).frontend.bands.sum(dim=1) == 0).sum() == 1


def test_blocks_follow_the_formula():
    torch.manual_seed(0)
    block = ResidualBlock(2, 3).double()
    block(torch.randn(4, 2, 7, 8, dtype=torch.float64))  # for the statistics of its batch norms
    block.eval()
    first, first_norm, _, second, second_norm = block.body
    shortcut, shortcut_norm = block.shortcut
    x = torch.randn(2, 7, 8, dtype=torch.float64)

    def normalised(x, conv: nn.Conv2d, norm: nn.BatchNorm2d, step=1):
        weight, bias = conv.weight.detach().numpy(), conv.bias.detach().numpy()
        maps = []
        for channel, filters in enumerate(weight):
            pairs = zip(x, filters, strict=True)
            answers = bias[channel] + sum(correlate2d(a, f, mode="same") for a, f in pairs)
            spread = np.sqrt(norm.running_var[channel].item() + norm.eps)
            maps.append((answers[::step, ::step] - norm.running_mean[channel].item()) / spread)
        return np.stack(maps)

    hidden = np.maximum(normalised(x.numpy(), first, first_norm, step=2), 0)
    hidden = normalised(hidden, second, second_norm)
    expected = np.maximum(hidden + normalised(x.numpy(), shortcut, shortcut_norm, step=2), 0)
    out = block(x[None])[0].detach().numpy()
    assert out.shape == (3, 4, 4)
    np.testing.assert_allclose(out, expected, rtol=1e-9, atol=1e-12)
