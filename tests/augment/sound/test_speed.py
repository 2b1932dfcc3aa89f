import math

import pytest
import torch

from musicssl.augment.sound.speed import play


def speeds(*each):
    return torch.tensor(each, dtype=torch.float64)[:, None]


def test_at_its_own_speed_a_clip_does_not_change():
    x = torch.randn(2, 500, dtype=torch.float64)
    torch.testing.assert_close(play(x, speeds(1, 1), 500), x, atol=1e-12, rtol=0)


@pytest.mark.parametrize("frequency", [0.001, 0.05, 0.15, 0.25])  # of a sample
def test_a_tone_gets_another_frequency(frequency):
    """Within 0.1 dB of a tone and of its phase, up to half of the band."""
    each = speeds(0.5, 0.9, 1.0123, 1.7)
    x = torch.sin(2 * math.pi * frequency * torch.arange(3000, dtype=torch.float64))
    y = play(x.expand(4, -1), each, 1500)
    expected = torch.sin(2 * math.pi * frequency * each * torch.arange(1500))
    torch.testing.assert_close(y[:, 10:], expected[:, 10:], atol=0.0116, rtol=0)


def test_silence_lies_behind_a_clip():
    x = torch.ones(1, 100, dtype=torch.float64)
    y = play(x, speeds(2), 80)
    torch.testing.assert_close(y[0, 3:48], torch.ones(45, dtype=torch.float64))
    assert not y[0, 53:].any()


def test_a_long_clip_is_read_where_it_should_be():
    """After ten minutes single precision would be off by samples."""
    x = torch.arange(600_000, dtype=torch.float32)[None] / 600_000
    y = play(x, torch.tensor([[0.75]]), 800_000)[0, 799_000]
    assert y.item() == pytest.approx(0.75 * 799_000 / 600_000, abs=2e-7)
