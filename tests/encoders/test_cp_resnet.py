import math

import pytest
import torch
from torch.nn.functional import conv2d, max_pool2d

from musicssl.encoders.cp_resnet import KERNELS, CPResNet
from musicssl.errors import InputError


def closed_form(width):
    """Weights of convolutions and batch norms, block by block."""
    total, width_in = 25 * width + 2 * width, width
    for number, kernels in enumerate(KERNELS):
        width_out = 2**number * width
        for first, second in kernels:
            total += first**2 * width_in * width_out + second**2 * width_out**2 + 4 * width_out
            if width_in != width_out:
                total += width_in * width_out + 2 * width_out
            width_in = width_out
    return total


def test_parameters_follow_from_the_layers():
    for width in (4, 128):
        encoder = CPResNet(width=width)
        assert sum(p.numel() for p in encoder.parameters()) == closed_form(width)
    assert closed_form(128) == 5_524_352
    assert closed_form(128) + 512 * 20 + 20 == 5_534_612


def test_ten_seconds_become_62_instances_and_three_stages():
    encoder = CPResNet(width=4).eval()
    with torch.inference_mode():
        (embedded, valid), stages = encoder.with_stages(0.1 * torch.randn(2, 320_000))
        assert valid is None
    assert embedded.shape == (2, 62, 16)
    assert [features.shape for features, _ in stages] == [(2, 62, 4), (2, 62, 8), (2, 62, 16)]
    assert torch.equal(stages[-1][0], embedded)


def test_stages_follow_the_formula():
    """Oracle: the layers of the paper, written out with functions."""
    torch.manual_seed(0)
    encoder = CPResNet(width=4).double()
    for parameter in encoder.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    encoder._stages(torch.randn(4, 1, 128, 32, dtype=torch.float64))  # for batch norms
    encoder.eval()
    x = torch.randn(2, 1, 128, 32, dtype=torch.float64)

    def normalised(maps, norm):
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        return (maps - norm.running_mean[:, None, None]) * scale[:, None, None] + norm.bias[
            :, None, None
        ]

    maps = conv2d(x, encoder.stem[0].weight, stride=2, padding=2)
    maps = normalised(maps, encoder.stem[1]).clamp_min(0)
    for number, stage in enumerate(encoder.stages):
        blocks = [layer for layer in stage if hasattr(layer, "body")]
        for place, (block, (first, second)) in enumerate(zip(blocks, KERNELS[number], strict=True)):
            beside = maps
            if place == 0 and number > 0:
                beside = normalised(conv2d(maps, block.shortcut[0].weight), block.shortcut[1])
            hidden = conv2d(maps, block.body[0].weight, padding=first // 3)
            hidden = normalised(hidden, block.body[1]).clamp_min(0)
            hidden = conv2d(hidden, block.body[3].weight, padding=second // 3)
            maps = (normalised(hidden, block.body[4]) + beside).clamp_min(0)
            if number == 0 and place in (0, 1, 3):
                maps = max_pool2d(maps, 2)
        found = encoder._stages(x)[number]
        torch.testing.assert_close(found, maps.mean(dim=2).transpose(1, 2))


def test_blocks_start_as_in_fixup():
    torch.manual_seed(0)
    encoder = CPResNet()
    block = encoder.stages[1][0]
    expected = math.sqrt(2 / (9 * 256)) / math.sqrt(12)
    assert block.body[0].weight.std().item() == pytest.approx(expected, rel=0.02)
    assert not block.body[3].weight.any()
    assert block.shortcut[0].weight.std().item() == pytest.approx(math.sqrt(2 / 256), rel=0.02)


def test_a_chunk_that_is_too_short_is_refused():
    with pytest.raises(InputError, match="too short for encoder=cp_resnet"):
        CPResNet(chunk_samples=3_000)
