"""Oracles: the figures of methods.md section 3 for severity 5, half of them for severity 2.5, and
what impulses, ramps and trembling tones become: closed forms of those figures."""

import math

import pytest
import torch

from musicssl.augment.corruptions import corruptions
from musicssl.augment.published import published_transforms
from musicssl.errors import InputError
from tests.support.tones import RATE, level_db, tone, trembling, tremor

ALL = corruptions(RATE)
GRADED = ["reverb", "chorus", "distortion", "compression", "bit_crush", "mp3"]
each = pytest.mark.parametrize("name", ALL)
half_and_whole = pytest.mark.parametrize("severity", [2.5, 5])


def sound(num_clips=4):
    generator = torch.Generator().manual_seed(0)
    return 0.2 * torch.randn(num_clips, 8000, generator=generator)


def corrupted(name, severity, seed=0):
    torch.manual_seed(seed)
    return ALL[name](severity)(sound(), None)


def test_the_names_are_those_of_the_paper():
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


@pytest.mark.parametrize("severity", [1, 2.5, 5])
@pytest.mark.parametrize("name", published_transforms(5, RATE))
def test_those_of_the_chain_of_views_are_its_transforms(name, severity):
    torch.manual_seed(0)
    expected = published_transforms(severity, RATE)[name](sound(), None)
    assert torch.equal(corrupted(name, severity), expected)


@pytest.mark.parametrize(
    ("name", "parameter", "half", "whole"),
    [
        ("time_stretch", "min_rate", 0.85, 0.7),
        ("time_stretch", "max_rate", 1.15, 1.3),
        ("splice_out", "num", 8, 8),
        ("splice_out", "max_samples", 0.2 * RATE, 0.4 * RATE),
        ("reverb", "min_seconds", 10, 10),
        ("reverb", "max_seconds", 10, 10),
        ("reverb", "wet", 0.25, 0.5),
        ("chorus", "rate_hz", 5, 5),
        ("chorus", "mix", 0.25, 0.5),
        ("distortion", "min_gain_db", 9 - 20 * math.log10(2), 9),
        ("distortion", "max_gain_db", 9 - 20 * math.log10(2), 9),
        ("reverse", "probability", 0.5, 1),
        ("bit_crush", "steps", 2**9, 2**3),  # of half of full scale: 10 and 4 bits
        ("mp3", "compression", 0.45, 0.9),  # VBR 4.5 and 9
    ],
)
def test_what_was_published_at_one_strength_has_it_at_5_and_half_of_it_at_half(
    name, parameter, half, whole
):
    found = [getattr(ALL[name](severity), parameter) for severity in (2.5, 5)]
    assert found == pytest.approx([half, whole])


@half_and_whole
def test_tempo_changes_by_up_to_30_percent(severity):
    torch.manual_seed(0)
    y = ALL["time_stretch"](severity)(trembling(440, 5.0).float().expand(40, -1), None)
    rates = torch.tensor([tremor(clip) / 5 for clip in y])
    most = 0.3 * severity / 5
    assert rates.min().item() == pytest.approx(1 - most, abs=0.15 * most + 0.01)
    assert rates.max().item() == pytest.approx(1 + most, abs=0.15 * most + 0.01)


@half_and_whole
def test_eight_cuts_take_1600_ms_on_mean(severity):
    """A ramp begins again where the clip is over, and each cut is uniform from none to 400 ms."""
    rate, seconds, num_clips = 8000, 10, 60
    ramp = torch.arange(seconds * rate, dtype=torch.float64).expand(num_clips, -1) + 1
    torch.manual_seed(0)
    y = corruptions(rate)["splice_out"](severity)(ramp, None)
    left = (y.diff(dim=1) < 0).int().argmax(dim=1) + 1
    cut_ms = 1000 * (seconds - left / rate)
    longest = 400 * severity / 5
    sd = (8 / 12) ** 0.5 * longest
    assert cut_ms.mean().item() == pytest.approx(4 * longest, abs=4 * sd / num_clips**0.5)
    assert cut_ms.std().item() == pytest.approx(sd, rel=4 / (2 * num_clips) ** 0.5)


@half_and_whole
def test_a_room_sounds_for_10_seconds_and_is_half_of_what_is_heard(severity):
    x = torch.zeros(20, 4 * RATE, dtype=torch.float64)
    x[:, 0] = 1
    torch.manual_seed(0)
    y = ALL["reverb"](severity)(x, None)
    wet = 0.1 * severity
    assert y[:, 0].mean().item() == pytest.approx(1 - wet, abs=0.01)
    early, late = (part.square().sum().item() for part in y[:, 1:].tensor_split(2, dim=1))
    assert (early + late) / 20 == pytest.approx(wet**2, rel=0.01)
    assert 10 * math.log10(early / late) == pytest.approx(60 * 2 / 10, abs=0.2)  # 2 s later


@half_and_whole
def test_a_voice_of_half_the_mix_is_modulated_at_5_hz(severity):
    """Of a ramp in ms, what is missing is the mix of the delay: 7 ms and a sine of 2.5."""
    ramp = 1000 * torch.arange(2 * RATE, dtype=torch.float64)[None] / RATE
    torch.manual_seed(0)
    missing = (ramp - ALL["chorus"](severity)(ramp, None))[0, -RATE:]  # one second
    mix = 0.1 * severity
    assert missing.mean().item() == pytest.approx(7 * mix)
    turns = torch.fft.rfft(missing - missing.mean()).abs()
    assert turns.argmax() == 5
    assert turns[5].item() / (RATE / 2) == pytest.approx(2.5 * mix, rel=1e-3)


@half_and_whole
def test_samples_have_16_bits_less_12(severity):
    x = torch.linspace(-1, 1, 100_001, dtype=torch.float64)[None]
    y = ALL["bit_crush"](severity)(x, None)
    assert len(y.unique()) == 2 ** (16 - 12 * severity / 5) + 1


@half_and_whole
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
def test_an_invalid_severity_is_refused(name, severity):
    with pytest.raises(InputError, match="severity must lie between"):
        ALL[name](severity)
