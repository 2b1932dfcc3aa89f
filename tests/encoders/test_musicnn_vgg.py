import numpy as np
import pytest
import torch
from torch import nn

from musicssl.encoders.base.audio import instance_times
from musicssl.encoders.musicnn_vgg import MusicnnVGG

CHUNK = 187 * 256  # samples


def test_parameters_are_those_of_the_authors():
    """Of filters h x w: h w weights of each input and a bias; a batch norm has two to a channel."""
    count = sum(p.numel() for p in MusicnnVGG().parameters())
    assert count == (9 + 1 + 2) * 128 + 4 * (9 * 128 + 1 + 2) * 128 == 592_896
    back_end = 50 * (256 + 1)
    statistics = 2 + 5 * 2 * 128
    assert count + 2 + back_end + statistics == 607_030  # what their checkpoint holds


def test_sizes_of_the_maps_follow_from_the_poolings():
    """Oracle: 1 + (n - kernel) // stride, without padding."""
    encoder = MusicnnVGG().eval()
    maps, bands, frames = torch.zeros(1, 1, 96, 187), 96, 187
    for block, kernel, stride in zip(
        encoder.blocks, [(1, 4), (2, 2), (2, 2), (2, 2), (4, 4)], [2, 2, 2, 2, 4], strict=True
    ):
        maps = block(maps)
        bands, frames = 1 + (bands - kernel[0]) // stride, 1 + (frames - kernel[1]) // stride
        assert maps.shape == (1, 128, bands, frames)
    assert (bands, frames) == (1, 2)


def test_a_chunk_is_one_vector_of_2992_s():
    encoder = MusicnnVGG().eval()
    assert (encoder.chunk_samples, encoder.num_frames) == (CHUNK, 187)
    with torch.no_grad():
        embedded, valid = encoder(0.1 * torch.randn(2, 3 * CHUNK))
    assert embedded.shape == (2, 3, 256)
    assert valid is None
    begin, end = instance_times(encoder, 3 * CHUNK, torch.device("cpu"))
    np.testing.assert_allclose(begin, [0, CHUNK, 2 * CHUNK])
    np.testing.assert_allclose(end - begin, CHUNK)


@pytest.mark.parametrize(("rates", "drops"), [((0.0, 0.0), []), ((0.25, 0.5), [0.25] * 4 + [0.5])])
def test_dropout_follows_each_block(rates, drops):
    encoder = MusicnnVGG(block_dropout=rates[0], dropout=rates[1])
    found = [m.p for block in encoder.blocks for m in block if hasattr(m, "p") and m.p > 0]
    assert found == drops
    assert sum(isinstance(m, nn.BatchNorm2d) for m in encoder.modules()) == 6
