import pytest
import torch

from musicssl.augment.sound.level import Level
from musicssl.errors import InputError


def decibels(num_clips=5000, max_db=6.0, min_db=None):
    torch.manual_seed(0)
    x = torch.rand(num_clips, 4, dtype=torch.float64) + 0.1
    return 20 * torch.log10(Level(max_db, min_db)(x) / x)


def test_all_samples_of_a_clip_are_changed_alike():
    change = decibels()
    torch.testing.assert_close(change, change[:, :1].expand_as(change))


@pytest.mark.parametrize(
    ("given", "least", "largest"), [(None, -6.0, 6.0), (-15.0, -15.0, 6.0), (2.0, 2.0, 6.0)]
)
def test_changes_are_uniform_in_decibels(given, least, largest):
    """Kolmogorov and Smirnov: the largest gap to the distribution function, at p = 1e-6."""
    u = ((decibels(min_db=given)[:, 0] - least) / (largest - least)).sort().values
    n = len(u)
    gap = (u - (torch.arange(n) + 0.5) / n).abs().max().item()
    assert gap < (0.5 * torch.log(torch.tensor(2 / 1e-6)).item() / n) ** 0.5


def test_nothing_changes_at_0_db():
    x = torch.rand(3, 5)
    assert torch.equal(Level(0.0)(x), x)


def test_a_negative_range_is_refused():
    with pytest.raises(InputError, match=r"level\.max_db"):
        Level(-1.0)


def test_a_range_the_wrong_way_round_is_refused():
    with pytest.raises(InputError, match=r"level\.min_db=3 is larger than .*; exchange"):
        Level(2.0, min_db=3.0)


def test_an_end_that_is_no_number_is_refused():
    with pytest.raises(InputError, match=r"level\.min_db must be a finite number, got -inf"):
        Level(2.0, min_db=float("-inf"))
