import pytest
import torch

from musicssl.augment.sound.white_noise import WhiteNoise
from musicssl.errors import InputError


def ratios_db(x, lengths=None, least=20.0, largest=20.0):
    torch.manual_seed(0)
    noise = WhiteNoise(least, largest)(x, lengths) - x
    clip = x if lengths is None else torch.cat([x[:, : int(lengths[0])]], dim=1)
    return 10 * torch.log10(clip.square().mean(dim=1) / noise.square().mean(dim=1))


def test_the_noise_is_as_soft_as_asked_whatever_the_level():
    x = torch.randn(6, 20_000, dtype=torch.float64) * torch.logspace(-3, 0, 6)[:, None]
    # The power of n normal numbers has a relative deviation of sqrt(2 / n): 0.04 dB here.
    torch.testing.assert_close(ratios_db(x), torch.full((6,), 20.0).double(), atol=0.25, rtol=0)


def test_padding_does_not_make_a_clip_softer():
    x = torch.randn(4, 20_000, dtype=torch.float64)
    x[:, 5_000:] = 0
    lengths = torch.full((4,), 5_000)
    torch.testing.assert_close(
        ratios_db(x, lengths), torch.full((4,), 20.0).double(), atol=0.25, rtol=0
    )


def test_ratios_fill_their_range():
    x = torch.randn(400, 4_000, dtype=torch.float64)
    ratios = ratios_db(x, least=10.0, largest=40.0)
    assert 9.5 < ratios.min() < 11
    assert 39 < ratios.max() < 40.5
    assert abs(ratios.mean().item() - 25) < 5 * 30 / 12**0.5 / 20


def test_the_noise_is_white():
    x = torch.ones(1, 1 << 16, dtype=torch.float64)
    torch.manual_seed(0)
    noise = (WhiteNoise(0, 0)(x) - x)[0]
    power = torch.fft.rfft(noise).abs().square()[1:-1]
    low, high = power.chunk(2)
    assert abs((low.mean() / high.mean()).item() - 1) < 5 * (2 / len(low)) ** 0.5


def test_silence_stays_silence():
    assert not WhiteNoise(0, 10)(torch.zeros(2, 100)).any()


def test_a_range_the_wrong_way_round_is_refused():
    with pytest.raises(InputError, match="exchange"):
        WhiteNoise(30, 20)
