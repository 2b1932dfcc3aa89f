import pytest
import torch

from musicssl.augment.instances.time_mask import TimeMask


def masked(max_fraction, lengths, num_instances=10):
    """Which instances of many clips were changed, and that this is all that changed."""
    torch.manual_seed(0)
    x = torch.rand(len(lengths), num_instances, 3, dtype=torch.float64)
    y = TimeMask(max_fraction)(x, lengths)
    hidden = (y != x).any(dim=2)
    for clip, view, gone, length in zip(x, y, hidden, lengths, strict=True):
        mean = clip[:length].mean(dim=0)
        for before, after, is_gone in zip(clip, view, gone, strict=True):
            torch.testing.assert_close(after, mean if is_gone else before)
    return hidden


def test_hidden_instances_are_the_mean_of_the_valid_ones_and_others_stay():
    lengths = torch.tensor([10, 4, 7, 2] * 50)
    hidden = masked(0.5, lengths)
    assert not hidden[torch.arange(10) >= lengths[:, None]].any()
    counts = hidden.sum(dim=1).view(50, 4)
    assert counts.amax(dim=0).tolist() == [5, 2, 3, 1]  # half of each length, rounded down
    assert counts.amin(dim=0).tolist() == [0, 0, 0, 0]


def test_hidden_instances_are_neighbours():
    hidden = masked(0.6, torch.full((200,), 10)).long()
    edges = torch.nn.functional.pad(hidden, (1, 1)).diff(dim=1)
    assert (edges == 1).sum(dim=1).max() == 1


def test_a_fraction_of_one_leaves_an_instance():
    lengths = torch.tensor([10, 2] * 200)
    counts = masked(1.0, lengths).sum(dim=1).view(200, 2)
    assert counts.amax(dim=0).tolist() == [9, 1]


def test_the_only_instance_is_never_hidden():
    x = torch.rand(50, 3, 4)
    x[:, 1:] = 9.0
    y = TimeMask(1.0)(x, torch.ones(50, dtype=torch.int64))
    assert torch.equal(y[:, 0], x[:, 0])


@pytest.mark.parametrize(("fraction", "instances"), [(0.53, 100), (0.7, 10)])
def test_a_fraction_that_is_a_whole_number_of_instances_is_not_rounded_down(fraction, instances):
    hidden = masked(fraction, torch.full((300,), instances), instances)
    assert hidden.sum(dim=1).max() == round(fraction * instances)
