import pytest
import torch
from torch import nn

from musicssl.encoders.thesis_mlp import ThesisMLP
from musicssl.errors import InputError
from musicssl.networks.pooling import MaxPooling


def test_it_has_the_parameters_of_table_2_1():
    """Counted by hand from the layers of the table, for its 18 instruments."""
    parts = ThesisMLP(), MaxPooling(ThesisMLP().embed_dim, 18)
    assert sum(p.numel() for part in parts for p in part.parameters()) == 2_315_794


def test_an_instance_is_a_second_of_86_frames():
    encoder = ThesisMLP().eval()
    assert encoder.num_frames == 86
    embedded, valid = encoder(0.1 * torch.randn(1, 3 * 44_100))
    assert valid is None
    assert embedded.shape == (1, 3, encoder.embed_dim)


def test_layers_follow_the_formula():
    """Four times: a linear map, ELU; no dropout in evaluation."""
    encoder = ThesisMLP().eval()
    spectra = torch.randn(2, 1, 96, 86)
    h = spectra.reshape(2, -1)
    for linear in [m for m in encoder.layers if isinstance(m, nn.Linear)]:
        h = h @ linear.weight.T + linear.bias
        h = torch.where(h > 0, h, h.exp() - 1)
    torch.testing.assert_close(encoder.embed_spectra(spectra)[:, 0], h, atol=1e-5, rtol=1e-4)
    assert h.shape == (2, 256)


def test_a_chunk_that_is_too_short_is_refused():
    with pytest.raises(InputError, match="encoder=thesis_mlp"):
        ThesisMLP(chunk_samples=512)
