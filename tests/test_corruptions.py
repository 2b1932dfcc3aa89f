import pytest
import torch

from musicssl.corruptions import corruptions
from musicssl.errors import InputError
from tests.augment.tones import RATE, level_db, tone

ALL = corruptions(RATE)
GRADED = ["reverb", "chorus", "distortion", "compression", "bit_crush", "mp3"]
each = pytest.mark.parametrize("name", ALL)


def sound(num_clips=4):
    generator = torch.Generator().manual_seed(0)
    return 0.2 * torch.randn(num_clips, 8000, generator=generator)


def corrupted(name, severity, seed=0):
    torch.manual_seed(seed)
    return ALL[name](severity)(sound(), None)


def test_they_are_those_of_the_paper():
    assert set(ALL) == {
        *("gain", "polarity", "coloured_noise", "filtering", "pitch_shift", "delay"),
        *("time_stretch", "splice_out", "reverb", "chorus", "distortion", "compression"),
        *("reverse", "bit_crush", "mp3"),
    }


@each
def test_severity_0_changes_nothing(name):
    assert torch.equal(corrupted(name, 0), sound())


@each
def test_severity_5_changes_every_clip(name):
    assert (corrupted(name, 5) != sound()).any(dim=1).all()


@pytest.mark.parametrize("name", GRADED)
def test_each_severity_is_worse_than_the_one_before(name):
    distances = [(corrupted(name, severity) - sound()).norm().item() for severity in range(6)]
    assert distances == sorted(set(distances))


@pytest.mark.parametrize("severity", [2.5, 5])
def test_at_severity_5_distortion_and_compression_are_the_published(severity):
    """9 dB before tanh; a fifth of what exceeds -30 dB."""
    x = torch.full((1, 4000), 0.5, dtype=torch.float64)
    share, gain = severity / 5, 10 ** (9 / 20) * severity / 5
    y = ALL["distortion"](severity)(x, None)[0, -1].item()
    assert y == pytest.approx(torch.tanh(torch.tensor(gain * 0.5)).item() / gain)
    left = ALL["compression"](severity)(x, None)[0, -1].item() / 0.5
    assert left == pytest.approx((10 ** (-30 / 20) / 0.5) ** (0.8 * share), rel=1e-3)


def test_a_low_severity_of_mp3_is_hardly_heard():
    y = ALL["mp3"](0.1)(tone(440), None)
    assert abs(level_db(y)) < 0.05


@each
@pytest.mark.parametrize("severity", [-1, 5.5])
def test_a_severity_that_is_none_is_refused(name, severity):
    with pytest.raises(InputError, match="severity must lie between"):
        ALL[name](severity)
