import pytest
import torch

from musicssl.augment.instances.noise import Noise
from musicssl.augment.sometimes import Sometimes
from musicssl.augment.sound.level import Level
from musicssl.errors import InputError


class Marked:
    """Adds 1,000 times its length to a clip, and remembers how many clips it was given."""

    def __init__(self):
        self.seen = []

    def __call__(self, x, lengths):
        self.seen.append(len(x))
        return x + 1000 * lengths[:, None, None]


@pytest.mark.parametrize("probability", [0.2, 0.7])
def test_chosen_clips_alone_are_computed_with_their_own_lengths(probability):
    torch.manual_seed(0)
    x, lengths = torch.rand(4000, 3, 2), torch.randint(1, 4, (4000,))
    marked = Marked()
    y = Sometimes(marked, probability)(x, lengths)
    chosen = (y != x).any(dim=(1, 2))
    assert marked.seen == [chosen.sum()]
    assert torch.equal(y[~chosen], x[~chosen])
    assert torch.equal(y[chosen], x[chosen] + 1000 * lengths[chosen, None, None])
    share = chosen.double().mean().item()
    assert abs(share - probability) < 5 * (probability * (1 - probability) / 4000) ** 0.5


def test_each_clip_is_chosen_by_itself():
    torch.manual_seed(0)
    y = Sometimes(Marked(), 0.5)(torch.zeros(4000, 1, 1), torch.ones(4000).long())
    signs = 2 * (y[:, 0, 0] > 0).double() - 1
    assert abs((signs[1:] * signs[:-1]).mean().item()) < 5 / 4000**0.5


def test_the_extremes_are_certain():
    x, lengths = torch.rand(5, 3, 2), torch.tensor([1, 2, 3, 1, 2])
    never = Marked()
    assert Sometimes(never, 0.0)(x, lengths) is x
    assert never.seen == []
    assert torch.equal(Sometimes(Marked(), 1.0)(x, lengths), Marked()(x, lengths))


def test_it_is_of_sound_if_its_transform_is():
    assert Sometimes(Level(1.0), 0.5).of_sound
    assert not Sometimes(Noise(1.0), 0.5).of_sound


def test_a_probability_above_1_is_refused():
    with pytest.raises(InputError, match=r"sometimes\.probability must lie between"):
        Sometimes(Level(1.0), 1.5)
