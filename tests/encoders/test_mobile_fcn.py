import pytest
import torch
from torch import nn

from musicssl.encoders.mobile_fcn import MobileFCN
from musicssl.errors import InputError
from musicssl.networks.pooling import MeanPooling


def closed_form():
    """Weights of convolutions and batch norms, layer by layer."""
    total = 9 * 64 + 2 * 64 + 9 * 64 * 128 + 2 * 128
    for wide, out in [(128, 128)] * 3 + [(128, 256), (256, 256), (256, 256)]:
        total += 9 * wide + 2 * wide + wide * out + 2 * out
    return total


@pytest.mark.parametrize("num_mels", [96, 128])
def test_parameters_follow_from_the_layers(num_mels):
    encoder = MobileFCN(num_mels=num_mels)
    assert sum(p.numel() for p in encoder.parameters()) == closed_form() == 301_248
    assert closed_form() + sum(p.numel() for p in MeanPooling(256, 50).parameters()) == 314_098


@pytest.mark.parametrize("num_mels", [96, 128])
def test_bands_end_in_one_and_96_frames_in_an_instance(num_mels):
    encoder = MobileFCN(num_mels=num_mels).eval()
    with torch.inference_mode():
        maps = encoder.spectra(0.1 * torch.randn(1, 160_000))
        assert maps.shape == (1, 1, num_mels, 500)
        for stage, bands, frames in zip(encoder.stages, (4, 1, 1), (10, 5, 5), strict=True):
            maps = stage(maps)
            assert maps.shape[2:] == (bands, frames)
        (embedded, _), stages = encoder.with_stages(0.1 * torch.randn(2, 160_000))
    assert embedded.shape == (2, 5, 256)
    assert [features.shape[2] for features, _ in stages] == [128, 256, 256]


def test_a_clip_of_magnatagatune_becomes_15_instances_at_once():
    encoder = MobileFCN(chunk_samples=465_600).eval()
    with torch.inference_mode():
        assert encoder(torch.zeros(1, 465_600))[0].shape == (1, 15, 256)


def test_the_features_of_a_stage_come_before_dropout():
    torch.manual_seed(0)
    encoder = MobileFCN(dropout=0.5)
    (embedded, _), stages = encoder.with_stages(0.1 * torch.randn(2, 160_000))
    last, kept = stages[-1][0], embedded != 0
    torch.testing.assert_close(embedded[kept], 2 * last[kept])
    assert 0.2 < kept.float().mean() / (last != 0).float().mean() < 0.8


def test_convolutions_are_separable_from_the_third_on():
    kinds = [m for m in MobileFCN().modules() if isinstance(m, nn.Conv2d)]
    assert [m.groups for m in kinds[:2]] == [1, 1]
    assert all(m.groups == m.in_channels for m in kinds[2::2])
    assert all(m.kernel_size == (1, 1) for m in kinds[3::2])
    assert len(kinds) == 2 + 2 * 6


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"num_mels": 64}, "num_mels must be 96 or 128"),
        ({"chunk_samples": 16_000}, "too short for encoder=mobile_fcn"),
    ],
)
def test_sizes_that_do_not_exist_are_refused(setting, said):
    with pytest.raises(InputError, match=said):
        MobileFCN(**setting)
