import pytest
import torch

from musicssl.augment.sound.time_stretch import TimeStretch
from musicssl.errors import InputError
from tests.support.tones import RATE, level_db, pitch, tone, trembling, tremor


@pytest.mark.parametrize("rate", [0.7, 0.9, 1.3])
def test_events_happen_at_another_rate(rate):
    y = TimeStretch(rate, rate, RATE)(trembling(440, 5.0))
    assert y.shape == (1, 2 * RATE)
    assert tremor(y) == pytest.approx(5.0 * rate, rel=0.02)


@pytest.mark.parametrize("rate", [0.7, 1.3])
def test_pitch_and_level_stay(rate):
    y = TimeStretch(rate, rate, RATE)(tone(441))
    assert abs(pitch(y) - 441) < 0.1
    assert abs(level_db(y)) < 0.1


def test_a_faster_clip_begins_again():
    """So that there is no silence at its end: of a low and a high tone, the low one follows."""
    x = torch.cat([tone(400, 0.5), tone(1000, 0.5)], dim=1)
    y = TimeStretch(1.3, 1.3, RATE)(x)
    second, third = y[:, 7000:12_000], y[:, 13_000:15_500]  # the end of the clip lies at 12,308
    assert pitch(second) == pytest.approx(1000, abs=1)
    assert pitch(third) == pytest.approx(400, abs=1)
    assert level_db(third) > -4  # tones that set in suddenly are softer


def test_a_clip_begins_again_where_its_valid_samples_end():
    x = tone(440).expand(2, -1).clone()
    x[:, 8000:] = 7.0
    y = TimeStretch(1.2, 1.2, RATE)(x, torch.tensor([8000, 4000]))
    alone = TimeStretch(1.2, 1.2, RATE)(x[:1, :8000])
    torch.testing.assert_close(y[:1, :7000], alone[:, :7000])


def test_each_clip_has_a_rate_of_its_own():
    torch.manual_seed(0)
    y = TimeStretch(0.7, 1.3, RATE)(trembling(440, 5.0).float().expand(40, -1))
    rates = torch.tensor([tremor(clip) / 5 for clip in y])
    assert 0.69 < rates.min() < 0.77
    assert 1.23 < rates.max() < 1.31
    assert rates.mean().item() == pytest.approx(1.0, abs=4 * 0.6 / 12**0.5 / 40**0.5)


def test_the_tempo_as_it_is_changes_nothing():
    x = torch.randn(2, 3000)
    assert torch.equal(TimeStretch(1, 1, RATE)(x), x)


@pytest.mark.parametrize(
    ("ends", "message"), [((0, 1), r"time_stretch\.min_rate"), ((1.2, 0.8), "exchange")]
)
def test_rates_that_are_none_are_refused(ends, message):
    with pytest.raises(InputError, match=message):
        TimeStretch(*ends, RATE)
