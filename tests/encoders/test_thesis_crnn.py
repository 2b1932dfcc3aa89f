import pytest
import torch

from musicssl.encoders.thesis_crnn import ThesisCRNN
from musicssl.errors import InputError
from musicssl.networks.pooling import MaxPooling


def test_it_has_the_parameters_of_table_2_1():
    """Counted by hand from the layers of the table, for its 18 instruments."""
    parts = ThesisCRNN(), MaxPooling(ThesisCRNN().embed_dim, 18)
    assert sum(p.numel() for part in parts for p in part.parameters()) == 2_343_570


def test_an_instance_is_a_second_of_86_frames():
    encoder = ThesisCRNN().eval()
    assert encoder.num_frames == 86
    embedded, valid = encoder(0.1 * torch.randn(1, 3 * 44_100))
    assert valid is None
    assert embedded.shape == (1, 3, encoder.embed_dim)


def test_the_embedding_is_the_last_of_five_steps():
    """Oracle: the GRU's cell in a loop over time, from the maps of each frame."""
    encoder = ThesisCRNN().eval()
    spectra = torch.randn(2, 1, 96, 86)
    maps = encoder.blocks(spectra)
    assert maps.shape == (2, 256, 6, 5)
    cell = torch.nn.GRUCell(1536, 256)
    cell.load_state_dict({k.removesuffix("_l0"): v for k, v in encoder.gru.state_dict().items()})
    state = torch.zeros(2, 256)
    for step in range(5):
        state = cell(maps[..., step].reshape(2, 1536), state)
    found = encoder.embed_spectra(spectra)
    torch.testing.assert_close(found[:, 0], state, atol=1e-5, rtol=1e-4)


def test_a_chunk_that_is_too_short_is_refused():
    with pytest.raises(InputError, match="encoder=thesis_crnn"):
        ThesisCRNN(chunk_samples=512)
