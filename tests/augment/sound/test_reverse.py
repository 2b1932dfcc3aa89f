import pytest
import torch

from musicssl.augment.sound.reverse import Reverse
from musicssl.errors import InputError


def test_the_valid_part_is_turned_around():
    x = torch.arange(10.0).view(2, 5)
    y = Reverse(1.0)(x, torch.tensor([5, 3]))
    assert y.tolist() == [[4, 3, 2, 1, 0], [7, 6, 5, 8, 9]]


def test_twice_is_not_at_all():
    x = torch.randn(3, 100)
    assert torch.equal(Reverse(1.0)(Reverse(1.0)(x)), x)


def test_the_fraction_of_reversed_clips_is_the_probability():
    torch.manual_seed(0)
    y = Reverse(0.3)(torch.tensor([0.0, 1.0]).expand(10_000, 2))
    assert abs(y[:, 0].mean().item() - 0.3) < 5 * (0.3 * 0.7 / 10_000) ** 0.5


def test_none_is_reversed():
    x = torch.randn(20, 100)
    assert torch.equal(Reverse(0.0)(x), x)


def test_an_invalid_probability_is_refused():
    with pytest.raises(InputError, match=r"reverse\.probability"):
        Reverse(1.2)
