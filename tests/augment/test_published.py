import math

import pytest
import torch

from musicssl.augment.published import published_chain, published_transforms
from musicssl.errors import InputError

RATE = 16_000  # Hz


def test_severity_zero_does_not_change_clips():
    x = torch.rand(2, 100)
    assert published_chain(0, RATE)(x) is x
    assert published_transforms(0, RATE) == {}


@pytest.mark.parametrize("severity", [-0.1, 5.1, math.nan])
def test_a_severity_outside_its_range_is_refused(severity):
    with pytest.raises(InputError, match=r"severity must lie between 0 \(off\) and 5, got"):
        published_chain(severity, RATE)


# methods.md, section 3, by hand: s = severity / 2, and min(largest, slope * s).
@pytest.mark.parametrize(
    ("severity", "whole", "each"),
    [
        (1, 0.4, [0.2, 0.3, 0.3, 0.15, 0.3, 0.3]),
        (2, 0.8, [0.4, 0.6, 0.6, 0.3, 0.6, 0.6]),
        (5, 1.0, [0.7, 0.8, 0.8, 0.6, 0.75, 0.6]),
    ],
)
def test_each_transform_has_its_published_probability(severity, whole, each):
    sometimes = published_chain(severity, RATE).transforms["published"]
    assert sometimes.probability == pytest.approx(whole)
    found = {name: t.probability for name, t in sometimes.transform.transforms.items()}
    names = ("gain", "polarity", "coloured_noise", "filtering", "pitch_shift", "delay")
    assert list(found.items()) == [
        (name, pytest.approx(p)) for name, p in zip(names, each, strict=True)
    ]


@pytest.mark.parametrize(
    ("severity", "gain", "ratio", "decay", "semitones", "delay", "volume", "repeats"),
    [
        (1, (-7.5, 2.5), (6, 60), 3.01, 2, (200, 500), 0.25, 1),
        (2, (-15, 5), (3, 30), 6.02, 4, (100, 500), 0.5, 2),
        (5, (-37.5, 12.5), (1.2, 12), 15.05, 10, (40, 500), 1.25, 5),
    ],
)
def test_strengths_are_the_published_ones(
    severity, gain, ratio, decay, semitones, delay, volume, repeats
):
    of = published_transforms(severity, RATE)
    assert (of["gain"].min_db, of["gain"].max_db) == gain
    assert of["polarity"].probability == 1
    noise = of["coloured_noise"]
    assert (noise.ratio.min_db, noise.ratio.max_db) == pytest.approx(ratio)
    assert noise.max_decay_db == -noise.min_decay_db == pytest.approx(decay, abs=0.01)
    assert of["pitch_shift"].max_semitones == semitones
    echo = of["delay"]
    assert (echo.min_samples, echo.max_samples) == tuple(ms * RATE // 1000 for ms in delay)
    assert (echo.volume, echo.repeats) == (volume, repeats)


@pytest.mark.parametrize(
    ("severity", "rate", "low", "high", "centres", "widths"),
    [
        (1, 16_000, (150 / 0.5, 7500), (100, 1200), (200, 4000), 0.25),
        (2, 16_000, (150, 7500), (200, 2400), (200, 4000), 0.5),
        (5, 16_000, (75, 3000), (500, 6000), (200, 4000), 1.25),
        (5, 2_000, (75, 1000), (500, 1000), (200, 1000), 1.25),  # lowered to half the rate
        (0.01, 300, (150, 150), (1, 12), (150, 150), 0.0025),
    ],
)
def test_filters_are_the_published_ones(severity, rate, low, high, centres, widths):
    filters = published_transforms(severity, rate)["filtering"].transforms

    def ends(frequencies):
        return frequencies.min_hz, frequencies.max_hz

    assert ends(filters["low_pass"].cutoffs) == pytest.approx(low)
    assert ends(filters["high_pass"].cutoffs) == pytest.approx(high)
    for name in ("band_pass", "band_stop"):
        bands = filters[name].bands
        assert ends(bands.centres) == pytest.approx(centres)
        assert (bands.min_width, bands.max_width) == pytest.approx((widths, 1.99))


@pytest.mark.parametrize(
    ("severity", "volumes", "repeats"),
    [(1, (0.05, 0.45), (0, 2)), (2, (0.3, 0.7), (1, 3)), (5, (1.05, 1.45), (4, 6))],
)
def test_drawn_echoes_lie_around_the_published_strength(severity, volumes, repeats):
    chain = published_chain(severity, RATE, skipped=False, drawn_echoes=True)
    echo = chain.transforms["delay"].transform
    assert echo.volumes == pytest.approx(volumes)
    assert echo.repeats == repeats
    assert echo.attenuations == (0.3, 0.7)
    assert echo.max_samples == 500 * RATE // 1000


def test_the_fraction_of_unchanged_clips_follows_the_probability():
    """At severity 1 the chain is passed over for 0.6, and does nothing by chance to some others."""
    torch.manual_seed(0)
    x = torch.randn(1500, 256)
    unchanged = (published_chain(1, RATE)(x) == x).all(dim=1).double().mean().item()
    nothing = 0.8 * 0.7 * 0.7 * 0.85 * 0.7 * 0.7
    # Delays of 200 ms and more are not heard in clips of 16 ms.
    expected = 0.6 + 0.4 * nothing / 0.7
    assert abs(unchanged - expected) < 5 * (expected * (1 - expected) / 1500) ** 0.5
