import numpy as np
import pytest
import torch
from torch import nn

from musicssl.encoders.musicnn import Filters, Musicnn

BANDS, FRAMES = 96, 187


def normalised(maps, norm):
    """Batch norm in evaluation, from its formula, of maps (C, ...)."""
    mean, variance, weight, bias = (
        t.detach().numpy().reshape(-1, *[1] * (maps.ndim - 1))
        for t in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    )
    return (maps - mean) / np.sqrt(variance + norm.eps) * weight + bias


def random_norm(norm):
    """Give a batch norm statistics, and weights of either sign, that do something."""
    nn.init.uniform_(norm.running_mean, 0, 1)
    nn.init.uniform_(norm.running_var, 0.5, 2)
    if norm.affine:
        nn.init.uniform_(norm.weight, -1, 1)
        nn.init.uniform_(norm.bias, -1, 1)


def encoder():
    torch.manual_seed(0)
    network = Musicnn(dropout=0.0).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            random_norm(module)
    return network


def test_parameters_are_those_of_the_authors():
    """Of filters h x w: h w weights and a bias; a batch norm has two to a channel."""
    timbral = sum(204 * (bands * 7 + 1 + 2) for bands in (38, 67))
    temporal = sum(51 * (frames + 1 + 2) for frames in (128, 64, 32))
    mid = 64 * (561 * 7 + 1 + 2) + 2 * 64 * (64 * 7 + 1 + 2)
    back_end = 2 * 1506 + 200 * (1506 + 1) + 2 * 200 + 50 * (200 + 1)  # which pooling replaces
    count = sum(p.numel() for p in Musicnn().parameters())
    assert count == timbral + temporal + mid == 472_295
    assert count + 2 + back_end == 787_159  # 2: gain and offset of their first batch norm


def test_features_of_a_frame():
    network = encoder()
    spectra = torch.rand(1, 1, BANDS, FRAMES)
    front = [filters(spectra) for filters in network.front]
    assert [tuple(f.shape[1:]) for f in front] == [(204, 187)] * 2 + [(51, 187)] * 3
    embedded = network.embed_spectra(spectra)
    assert embedded.shape == (1, 187, 753)
    assert network.embed_dim == 753
    torch.testing.assert_close(embedded[..., :561], torch.cat(front, dim=1).transpose(1, 2))
    assert Musicnn(mid_filters=512).embed_dim == 561 + 3 * 512


def test_three_seconds_are_187_frames():
    network = encoder()
    assert network.chunk_samples == 187 * 256
    assert network.num_frames == 187
    assert Musicnn(chunk_samples=48_000).num_frames == 188


@pytest.mark.parametrize(("bands", "frames"), [(3, 7), (1, 4), (1, 6)])
def test_filters_follow_the_formula(bands, frames):
    torch.manual_seed(0)
    filters = Filters(5, bands, frames).double().eval()
    _, conv, _, norm = filters.layers
    random_norm(norm)
    spectra = torch.randn(2, 1, 6, 9, dtype=torch.float64)
    weight, bias = (t.detach().numpy() for t in (conv.weight[:, 0], conv.bias))
    before = (frames - 1) // 2
    for spectrum, out in zip(spectra[:, 0].numpy(), filters(spectra).detach().numpy(), strict=True):
        answers = np.empty((5, 6 - bands + 1, 9))
        for band in range(answers.shape[1]):
            for frame in range(9):
                total = bias.copy()
                for tap in range(frames):
                    heard = frame - before + tap
                    if 0 <= heard < 9:
                        total += weight[:, :, tap] @ spectrum[band : band + bands, heard]
                answers[:, band, frame] = np.maximum(total, 0)
        np.testing.assert_allclose(out, normalised(answers, norm).max(axis=1), rtol=1e-10)


def test_a_timbre_is_the_same_at_any_pitch():
    """Timbral answers to a sound do not change when it moves by whole bands.

    The filters' weights are kept to the middle of their height, so that none sees a part of the
    sound alone.
    """
    network = encoder()
    tone = torch.rand(4, FRAMES)
    low, high = torch.zeros(2, 1, 1, BANDS, FRAMES)
    low[..., 40:44, :] = tone
    high[..., 47:51, :] = tone
    for filters in network.front:
        weight = filters.layers[1].weight
        with torch.no_grad():
            weight[:, :, :25] *= weight.shape[2] == 1
            weight[:, :, 32:] = 0
        torch.testing.assert_close(filters(low), filters(high), rtol=1e-4, atol=1e-5)
        assert not torch.allclose(filters.layers(low), filters.layers(high))


def test_what_comes_later_is_embedded_later():
    """Away from the edges the embedding moves with the sound; 72 frames before, 73 after are heard.

    63 and 64 by the longest filter, three times 3 by the layers over time.
    """
    network = encoder().double()
    early = torch.randn(1, 1, BANDS, FRAMES, dtype=torch.float64)
    late = early.roll(5, dims=3)
    now, then = network.embed_spectra(early), network.embed_spectra(late)
    first, last = 72, FRAMES - 1 - 73 - 5
    change = (now[0, :-5] - then[0, 5:]).abs().amax(dim=1)
    assert change[first : last + 1].max() < 1e-10
    assert change[first - 1] > 1e-8
    assert change[last + 1] > 1e-8


def test_layers_over_time_follow_the_formula():
    network = encoder().double()
    embedded = network.embed_spectra(torch.rand(1, 1, BANDS, 40, dtype=torch.float64))
    stages = embedded[0].detach().numpy().T  # (753, T)
    front, first, second, third = np.split(stages, [561, 625, 689])

    def layer(x, number):
        conv, _, norm = network.mid[number]
        weight, bias = (t.detach().numpy() for t in (conv.weight, conv.bias))
        padded = np.pad(x, ((0, 0), (3, 3)))
        answers = sum(weight[:, :, tap] @ padded[:, tap : tap + 40] for tap in range(7))
        return normalised(np.maximum(answers + bias[:, None], 0), norm)

    np.testing.assert_allclose(first, layer(front, 0), rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(second, layer(first, 1) + first, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(third, layer(second, 2) + second, rtol=1e-8, atol=1e-10)
