import torch
from torch import nn

from musicssl.encoders.crnn import CRNN


def small():
    torch.manual_seed(0)
    encoder = CRNN(width=2, hidden=3, dropout=0.0)
    encoder(0.1 * torch.randn(4, encoder.chunk_samples))  # for the statistics of its batch norms
    return encoder.eval()


def test_parameters_follow_from_the_layers():
    blocks = sum(9 * of * to + 2 * to for of, to in [(1, 32), (32, 64), (64, 128)])
    inputs = 128 * (128 // 4**3)
    gru = 2 * 3 * 64 * (inputs + 64 + 2)  # two directions, three gates, two biases
    count = sum(p.numel() for p in CRNN().parameters())
    assert count == blocks + gru == 216_544


def test_an_instance_is_a_second_and_hears_no_other():
    encoder = small()
    x = 0.1 * torch.randn(2, 10 * 16_000)
    before, valid = encoder(x)
    assert valid is None
    assert before.shape == (2, 10, 6)
    x[1, 7 * 16_000 : 8 * 16_000] *= 0.1
    changed = (encoder(x)[0] != before).any(dim=2)
    assert changed.nonzero().tolist() == [[1, 7]]


def test_the_last_state_of_either_direction_has_read_all_steps():
    encoder = small().double()
    spectra = torch.randn(2, 1, 128, encoder.num_frames, dtype=torch.float64)
    maps = encoder.blocks(spectra)
    assert maps.shape == (2, 8, 2, 12)  # channels, bands, steps of 80 ms
    states = []
    for suffix, order in (("l0", range(12)), ("l0_reverse", reversed(range(12)))):
        cell = nn.GRUCell(16, 3).double()
        cell.load_state_dict(
            {name: getattr(encoder.gru, f"{name}_{suffix}") for name in cell.state_dict()}
        )
        state = torch.zeros(2, 3, dtype=torch.float64)
        for step in order:
            state = cell(maps[..., step].reshape(2, 16), state)
        states.append(state)
    expected = torch.cat(states, dim=1)[:, None]
    torch.testing.assert_close(encoder.embed_spectra(spectra), expected)
