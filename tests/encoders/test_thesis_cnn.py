import pytest
import torch

from musicssl.encoders.thesis_cnn import ThesisCNN
from musicssl.errors import InputError
from musicssl.networks.pooling import MaxPooling


def test_it_has_the_parameters_of_table_2_1():
    """Counted by hand from the layers of the table, for its 18 instruments."""
    parts = ThesisCNN(), MaxPooling(ThesisCNN().embed_dim, 18)
    assert sum(p.numel() for part in parts for p in part.parameters()) == 2_177_170


def test_an_instance_is_a_second_of_86_frames():
    encoder = ThesisCNN().eval()
    assert encoder.num_frames == 86
    embedded, valid = encoder(0.1 * torch.randn(1, 3 * 44_100))
    assert valid is None
    assert embedded.shape == (1, 3, encoder.embed_dim)


def test_maps_have_the_sizes_of_the_table():
    """Thesis Table 2.1: 48 x 43, 24 x 21, 8 x 7, 2 x 2."""
    x, sizes = torch.randn(2, 1, 96, 86), []
    encoder = ThesisCNN().eval()
    for block in encoder.blocks:
        before = block[1](block[0](x))
        elu = torch.where(before > 0, before, before.exp() - 1)
        x = block(x)
        pooled = block[3].kernel_size
        torch.testing.assert_close(x[0, 0, 0, 0], elu[0, 0, :pooled, :pooled].max())
        sizes.append(tuple(x.shape[1:]))
    assert sizes == [(64, 48, 43), (128, 24, 21), (256, 8, 7), (640, 2, 2)]


def test_a_chunk_that_is_too_short_is_refused():
    with pytest.raises(InputError, match="encoder=thesis_cnn"):
        ThesisCNN(chunk_samples=512)
