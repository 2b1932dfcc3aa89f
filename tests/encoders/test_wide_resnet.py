import pytest
import torch
from torch import nn
from torch.nn.functional import conv2d

from musicssl.encoders.wide_resnet import WideResNet
from musicssl.errors import InputError


def closed_form(depth, k):
    """Weights of convolutions, and of batch norms before them, group by group."""
    total, width_in = 9 * 16, 16
    for width in (16 * k, 32 * k, 64 * k):
        for _ in range((depth - 4) // 6):
            total += 2 * width_in + 9 * width_in * width  # batch norm and convolution
            total += 2 * width + 9 * width * width
            total += width_in * width if width_in != width else 0
            width_in = width
    return total + 2 * width_in


@pytest.mark.parametrize(("depth", "widen"), [(28, 2), (16, 1), (10, 4)])
def test_parameters_follow_from_the_layers(depth, widen):
    encoder = WideResNet(depth=depth, widen=widen)
    assert sum(p.numel() for p in encoder.parameters()) == closed_form(depth, widen)
    convolutions = [m for m in encoder.modules() if isinstance(m, nn.Conv2d)]
    three_by_three = [m for m in convolutions if m.kernel_size == (3, 3)]
    assert len(three_by_three) + 3 == depth  # with the last layer, and two of the three shortcuts


def test_wrn_28_2_has_the_published_number_of_parameters():
    """1,467,610 with three colours and ten classes, as codes of FixMatch report."""
    two_colours, last_layer = 9 * 2 * 16, 128 * 10 + 10
    assert closed_form(28, 2) == 1_467_610 - two_colours - last_layer == 1_466_032


def test_a_chunk_becomes_one_instance():
    encoder = WideResNet(depth=10, widen=1, chunk_samples=8_000).eval()
    embedded, valid = encoder(0.1 * torch.randn(2, 24_000))
    assert embedded.shape == (2, 3, 64)
    assert valid is None


def test_layers_follow_the_formula():
    """Oracle: the blocks of the paper, written out with functions."""
    torch.manual_seed(0)
    encoder = WideResNet(depth=10, widen=2, chunk_samples=8_000).double()
    encoder.embed_spectra(torch.randn(4, 1, 64, 16, dtype=torch.float64))  # for batch norms
    encoder.eval()
    x = torch.randn(2, 1, 64, 16, dtype=torch.float64)

    def normalised(maps, norm):
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        return (
            (maps - norm.running_mean[:, None, None]) * scale[:, None, None]
            + norm.bias[:, None, None]
        ).clamp_min(0)

    maps = conv2d(x, encoder.blocks[0].weight, padding=1)
    for number, stride in ((1, 1), (2, 2), (3, 2)):
        block = encoder.blocks[number]
        activated = normalised(maps, block.first[0])
        hidden = conv2d(activated, block.body[0].weight, padding=1, stride=stride)
        hidden = conv2d(normalised(hidden, block.body[1]), block.body[4].weight, padding=1)
        maps = hidden + conv2d(activated, block.shortcut.weight, stride=stride)
    expected = normalised(maps, encoder.blocks[4]).mean(dim=(2, 3))
    torch.testing.assert_close(encoder.embed_spectra(x)[:, 0], expected)
    assert maps.shape == (2, 128, 16, 4)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"depth": 27}, "depth must be"),
        ({"widen": 0}, "widen must be"),
        ({"chunk_samples": 1_000}, "chunk_samples=1000 is too short for encoder=wide_resnet"),
    ],
)
def test_sizes_that_do_not_exist_are_refused(setting, said):
    with pytest.raises(InputError, match=said):
        WideResNet(**setting)
