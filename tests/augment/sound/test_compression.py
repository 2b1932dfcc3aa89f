import math

import pytest
import torch

from musicssl.augment.sound.compression import Compression
from musicssl.errors import InputError

RATE = 8000  # Hz


def by_hand(x, threshold_db, ratio, attack_ms, release_ms):
    """The compressor, sample by sample."""
    attack = math.exp(-1000 / (attack_ms * RATE)) if attack_ms else 0.0
    release = math.exp(-1000 / (release_ms * RATE))
    held = level = 0.0
    result = []
    for sample in x:
        held = max(abs(sample), release * held)
        level = attack * level + (1 - attack) * held
        excess_db = max(0.0, 20 * math.log10(max(level, 1e-9)) - threshold_db)
        result.append(sample * 10 ** (-(1 - 1 / ratio) * excess_db / 20))
    return result


@pytest.mark.parametrize("times", [(0, 10), (1, 50), (20, 100)], ids=str)
@pytest.mark.parametrize("ratio", [1.5, 5.0])
def test_it_agrees_with_a_slow_loop(times, ratio):
    torch.manual_seed(0)
    loudness = torch.tensor([0.01, 1.0, 0.1, 0.0, 0.3], dtype=torch.float64).repeat_interleave(600)
    x = loudness * torch.randn(2, 3000, dtype=torch.float64)
    y = Compression(-30, ratio, *times, RATE)(x)
    for clip, compressed in zip(x.tolist(), y.tolist(), strict=True):
        expected = by_hand(clip, -30, ratio, *times)
        assert compressed == pytest.approx(expected, abs=1e-3 * max(map(abs, expected)))


@pytest.mark.parametrize("level_db", [-40, -30, -20, 0])
def test_of_a_steady_sound_a_fifth_of_what_exceeds_the_threshold_is_left(level_db):
    x = torch.full((1, 4000), 10 ** (level_db / 20), dtype=torch.float64)
    y = Compression(-30, 5, 5, 100, RATE)(x)[0, -1].item()
    expected = level_db if level_db < -30 else -30 + (level_db + 30) / 5
    assert 20 * math.log10(y) == pytest.approx(expected, abs=0.05)


def test_a_ratio_of_1_changes_nothing():
    x = torch.randn(2, 1000)
    assert torch.equal(Compression(-30, 1, 1, 100, RATE)(x), x)


@pytest.mark.parametrize(
    ("numbers", "name"),
    [
        ((-30, 0.5, 1, 100, RATE), "ratio"),
        ((math.nan, 5, 1, 100, RATE), "threshold_db"),
        ((-30, 5, -1, 100, RATE), "attack_ms"),
        ((-30, 5, 1, 0, RATE), "release_ms"),
        ((-30, 5, 1, 100, 0), "sample_rate"),
    ],
)
def test_an_invalid_number_is_refused(numbers, name):
    with pytest.raises(InputError, match=rf"compression\.{name}"):
        Compression(*numbers)
