import pytest
import torch

from musicssl.augment.sound.polarity import Polarity
from musicssl.errors import InputError


def test_a_clip_is_itself_or_its_negative_as_often_as_asked():
    torch.manual_seed(0)
    x = torch.rand(4000, 3) + 0.1
    y = Polarity(0.25)(x)
    inverted = (y == -x).all(dim=1)
    assert ((y == x).all(dim=1) | inverted).all()
    share = inverted.double().mean().item()
    assert abs(share - 0.25) < 5 * (0.25 * 0.75 / 4000) ** 0.5


@pytest.mark.parametrize(("probability", "sign"), [(0.0, 1), (1.0, -1)])
def test_the_extremes_are_certain(probability, sign):
    x = torch.rand(50, 3)
    assert torch.equal(Polarity(probability)(x), sign * x)


def test_a_probability_above_1_is_refused():
    with pytest.raises(InputError, match=r"polarity\.probability"):
        Polarity(1.5)
