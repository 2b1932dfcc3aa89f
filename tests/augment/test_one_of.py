import pytest
import torch

from musicssl.augment.instances.noise import Noise
from musicssl.augment.one_of import OneOf
from musicssl.augment.sound.level import Level
from musicssl.errors import InputError


class Added:
    """Adds a number times its length to a clip, and counts the clips."""

    def __init__(self, number):
        self.number = number
        self.count = 0

    def __call__(self, x, lengths):
        self.count += len(x)
        return x + self.number * lengths[:, None, None]


def test_each_clip_gets_one_with_its_own_length_and_each_is_as_likely():
    torch.manual_seed(0)
    x, lengths = torch.rand(6000, 3, 2), torch.randint(1, 4, (6000,))
    transforms = {"a": Added(10), "b": Added(100), "c": Added(1000)}
    y = OneOf(**transforms)(x, lengths)
    total = torch.zeros(6000, dtype=torch.bool)
    for transform in transforms.values():
        expected = x + transform.number * lengths[:, None, None]
        got = (y == expected).all(dim=(1, 2))
        assert transform.count == got.sum()
        assert abs(got.sum().item() - 2000) < 5 * (6000 * 2 / 9) ** 0.5
        assert not (total & got).any()
        total |= got
    assert total.all()


def test_a_transform_of_no_clip_is_not_computed():
    torch.manual_seed(0)
    transforms = {name: Added(1) for name in "abcdefgh"}
    y = OneOf(**transforms)(torch.zeros(1, 1, 1), torch.ones(1).long())
    assert y.item() == 1
    assert sorted(transform.count for transform in transforms.values()) == [0] * 7 + [1]


def test_without_lengths_there_are_none():
    torch.manual_seed(0)
    x = torch.rand(5, 20)
    assert torch.equal(OneOf(a=Level(0.0), b=Level(0.0))(x), x)


def test_it_is_of_sound_if_its_transforms_are():
    assert OneOf(level=Level(1.0)).of_sound
    assert not OneOf(noise=Noise(1.0)).of_sound


@pytest.mark.parametrize(
    ("transforms", "message"),
    [
        ({}, "has no transforms"),
        ({"a": Level(1.0), "b": Noise(1.0)}, "mixes transforms of instances and sound"),
    ],
)
def test_an_invalid_choice_is_refused(transforms, message):
    with pytest.raises(InputError, match=message):
        OneOf(**transforms)
