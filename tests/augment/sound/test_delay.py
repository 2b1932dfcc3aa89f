import itertools

import pytest
import torch

from musicssl.augment.sound.delay import Delay, DrawnDelay, delayed
from musicssl.errors import InputError

RATE = 1000  # Hz: a sample lasts 1 ms


def echoes(transform, num_clips=3000):
    """What impulses become."""
    torch.manual_seed(0)
    x = torch.zeros(num_clips, 100)
    x[:, 0] = 1
    return transform(x)


def test_an_impulse_comes_again_and_again_and_weaker():
    y = echoes(Delay(10, 20, 0.5, 3, RATE))
    delays = y[:, 1:].argmax(dim=1) + 1
    for clip, delay in zip(y[:200], delays[:200].tolist(), strict=True):
        expected = torch.zeros(100)
        for repeat in range(4):
            expected[repeat * delay] = 0.5**repeat
        assert torch.equal(clip, expected)


def test_each_delay_of_the_range_is_as_likely():
    delays = echoes(Delay(10, 20, 0.5, 1, RATE))[:, 1:].argmax(dim=1) + 1
    counts = delays.bincount(minlength=21)
    assert counts[:10].sum() == 0
    assert (counts[10:] - 3000 / 11).abs().max() < 5 * (3000 / 11) ** 0.5


def test_an_echo_after_the_end_is_not_heard():
    y = echoes(Delay(60, 60, 0.5, 2, RATE), num_clips=1)
    assert y.nonzero()[:, 1].tolist() == [0, 60]


def test_echoes_are_those_of_all_that_sounded():
    torch.manual_seed(0)
    x = torch.randn(2, 50, dtype=torch.float64)
    y = Delay(7, 7, 0.8, 2, RATE)(x)
    for clip, result in zip(x.tolist(), y.tolist(), strict=True):
        for t, value in enumerate(result):
            parts = (0.8**k * clip[t - 7 * k] for k in range(3) if t >= 7 * k)
            assert value == pytest.approx(sum(parts))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ((-1, 20, 0.5, 1, RATE), r"delay\.min_ms must be 0"),
        ((30, 20, 0.5, 1, RATE), r"delay\.min_ms=30 is larger"),
        ((10, 20, -0.5, 1, RATE), r"delay\.volume must be 0"),
        ((10, 20, 0.5, 0, RATE), r"delay\.repeats must be 1 or more, got 0; .*delay\.volume=0"),
        ((10, 20, 0.5, 1, 0), r"delay\.sample_rate must be more than 0"),
    ],
)
def test_an_invalid_delay_is_refused(settings, message):
    with pytest.raises(InputError, match=message):
        Delay(*settings)


def slowly(x, delays):
    y = torch.zeros_like(x)
    for clip in range(x.shape[0]):
        for place in range(x.shape[1]):
            before = place - int(delays[clip, place])
            y[clip, place] = x[clip, before] if before >= 0 else 0
    return y


def test_a_delay_for_each_sample():
    torch.manual_seed(0)
    x, delays = torch.rand(4, 30), torch.randint(0, 41, (4, 30))
    assert torch.equal(delayed(x, delays, 40), slowly(x, delays))


def test_a_delay_for_each_clip():
    torch.manual_seed(0)
    x, delays = torch.rand(5, 30), torch.tensor([[0], [1], [29], [30], [200]])
    assert torch.equal(delayed(x, delays, 200), slowly(x, delays.expand(-1, 30)))


DRAWN = DrawnDelay(7, 7, (0.3, 0.7), (1, 3), (0.2, 0.6), RATE)


def by_the_formula(clip, volume, repeats, attenuation, delay=7):
    """(x + v sum over i < R of a^i x(t - i d)) / 2, sample by sample."""
    result = []
    for t in range(len(clip)):
        total = sum(attenuation**i * clip[t - i * delay] for i in range(repeats) if t >= i * delay)
        result.append((clip[t] + volume * total) / 2)
    return result


def test_drawn_echoes_are_those_of_one_of_eight_settings_each_as_likely():
    torch.manual_seed(0)
    clip = torch.randn(40, dtype=torch.float64)
    expected = torch.tensor(
        [
            by_the_formula(clip.tolist(), *setting)
            for setting in itertools.product((0.3, 0.7), (1, 3), (0.2, 0.6))
        ]
    ).double()
    y = DRAWN(clip.expand(800, -1))
    distance = (y[:, None] - expected).abs().amax(dim=2)  # (800, 8)
    assert (distance.amin(dim=1) < 1e-6).all()
    levels = torch.tensor([distance[:, kind].lt(1e-6).sum() for kind in range(8)])
    alike = [0, 1], [4, 5]  # with one repeat the attenuation is not heard
    for pair in alike:
        assert levels[pair[0]] == levels[pair[1]]
        assert abs(levels[pair[0]] - 200) < 5 * (800 * 0.25 * 0.75) ** 0.5
    for kind in (2, 3, 6, 7):
        assert abs(levels[kind] - 100) < 5 * (800 / 8 * 7 / 8) ** 0.5


def test_each_drawn_delay_of_the_range_is_as_likely():
    y = echoes(DrawnDelay(10, 20, (0.5, 0.5), (2, 2), (0.5, 0.5), RATE))
    counts = (y[:, 1:].argmax(dim=1) + 1).bincount(minlength=21)
    assert counts[:10].sum() == 0
    assert (counts[10:] - 3000 / 11).abs().max() < 5 * (3000 / 11) ** 0.5


def test_a_negative_drawn_volume_is_refused():
    with pytest.raises(InputError, match=r"delay\.volumes must be 0"):
        DrawnDelay(10, 20, (-0.1, 0.5), (1, 3), (0.3, 0.7), RATE)
