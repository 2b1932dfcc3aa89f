import math

import pytest
import torch

from musicssl.augment.sound.pitch_shift import PitchShift
from musicssl.errors import InputError
from tests.support.tones import RATE, level_db, pitch, tone, trembling, tremor


def shifted(x, semitones):
    transform = PitchShift(abs(semitones), RATE)
    return transform.shift(x, torch.full((len(x), 1), semitones, dtype=x.dtype))


def cents(hz, expected):
    return 1200 * math.log2(hz / expected)


@pytest.mark.parametrize("semitones", [-12.0, -4.0, -0.5, 0.01, 1.0, 4.0, 7.0])
@pytest.mark.parametrize("hz", [110, 440, 2000])
def test_a_tone_moves_by_semitones_and_keeps_its_level(hz, semitones):
    y = shifted(tone(hz), semitones)
    assert y.shape == (1, RATE)
    assert abs(cents(pitch(y), hz * 2 ** (semitones / 12))) < 0.5
    assert abs(level_db(y)) < 0.1


@pytest.mark.parametrize("semitones", [-4.0, 4.0])
def test_time_stays(semitones):
    assert tremor(shifted(trembling(440, 5.0), semitones)) == pytest.approx(5.0, abs=0.1)


def test_no_shift_is_nearly_none():
    x = torch.randn(2, 8000, dtype=torch.float64)
    torch.testing.assert_close(shifted(x, 0.0), x)


def test_nothing_is_mirrored_at_half_the_sample_rate():
    """A tone at 7,000 Hz would come to lie at 8,820 Hz, and be heard at 7,180 Hz."""
    assert level_db(shifted(tone(7000), 4.0)) < -50


def test_shifts_fill_their_range_each_as_likely():
    torch.manual_seed(0)
    y = PitchShift(4, RATE)(tone(440, 0.25).float().expand(200, -1))
    heard = torch.tensor([cents(pitch(clip, 1 << 16), 440) / 100 for clip in y])
    assert -4.05 < heard.min() < -3.7
    assert 3.7 < heard.max() < 4.05
    assert abs(heard.mean()) < 4 * (4 / 3**0.5) / 200**0.5
    assert heard.std().item() == pytest.approx(4 / 3**0.5, rel=0.15)


def test_whole_semitones_are_each_as_likely_and_none_changes_nothing():
    torch.manual_seed(0)
    x = tone(440, 0.25).float().expand(360, -1)
    y = PitchShift(6, RATE, min_semitones=-5, whole=True)(x)
    heard = torch.tensor([cents(pitch(clip, 1 << 16), 440) / 100 for clip in y])
    assert (heard - heard.round()).abs().max() < 0.05
    counts = torch.bincount(heard.round().long() + 5, minlength=12)
    assert len(counts) == 12
    assert ((counts - 30).square() / 30).sum() < 31.3  # chi-squared with 11, one in a thousand
    assert torch.equal(y[heard.round() == 0], x[heard.round() == 0])


@pytest.mark.parametrize("limits", [(6.5, -5), (6, -4.5), (6, 1)])
def test_limits_that_are_not_whole_or_on_the_wrong_side_are_refused(limits):
    with pytest.raises(InputError, match=r"pitch_shift\."):
        PitchShift(limits[0], RATE, min_semitones=limits[1], whole=True)


@pytest.mark.parametrize(("semitones", "rate", "name"), [(-1, RATE, "max_sem"), (1, 0, "sample_")])
def test_an_invalid_number_is_refused(semitones, rate, name):
    with pytest.raises(InputError, match=rf"pitch_shift\.{name}"):
        PitchShift(semitones, rate)
