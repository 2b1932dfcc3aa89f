import pytest
import torch

from musicssl.augment.instances.feature_mask import FeatureMask
from musicssl.errors import InputError


def masked(max_fraction, num_masks, num_features=20, num_clips=400):
    """Which features of many clips were changed: the same in all instances, (B, F)."""
    torch.manual_seed(0)
    x = torch.rand(num_clips, 3, num_features, dtype=torch.float64)
    y = FeatureMask(max_fraction, num_masks)(x)
    hidden = y != x
    assert torch.equal(hidden, hidden[:, :1].expand_as(hidden))
    return hidden[:, 0]


def bands(hidden):
    edges = torch.nn.functional.pad(hidden.long(), (1, 1)).diff(dim=1)
    return (edges == 1).sum(dim=1)


def test_hidden_features_are_one_mean_of_the_valid_instances():
    torch.manual_seed(0)
    x, lengths = torch.rand(30, 6, 20, dtype=torch.float64), torch.tensor([6, 1, 4] * 10)
    y = FeatureMask(0.5)(x, lengths)
    assert not torch.equal(y, x)
    for clip, view, length in zip(x, y, lengths, strict=True):
        before, after = clip[:length], view[:length]
        mean = sum(before.flatten().tolist()) / before.numel()
        torch.testing.assert_close(after, torch.where(after == before, before, mean))


@pytest.mark.parametrize(("num_masks", "most"), [(1, 10), (2, 10), (3, 9), (20, 0)])
def test_all_bands_together_hide_at_most_the_fraction(num_masks, most):
    """Half of 20 features; each of three bands has 3 at most, and of twenty bands none."""
    hidden = masked(0.5, num_masks)
    assert hidden.sum(dim=1).max() == most
    assert hidden.sum(dim=1).min() == 0
    assert bands(hidden).max() == min(num_masks, most)


@pytest.mark.parametrize(("num_masks", "most"), [(1, 3), (2, 2), (3, 3), (4, 0)])
def test_a_fraction_of_one_leaves_a_feature(num_masks, most):
    hidden = masked(1.0, num_masks, num_features=4)
    assert hidden.sum(dim=1).max() == most


def test_a_fraction_that_is_a_whole_number_of_features_is_not_rounded_down():
    assert masked(0.58, 1, num_features=50).sum(dim=1).max() == 29


def test_every_feature_is_hidden_at_times():
    assert masked(0.3, 2).any(dim=0).all()


def test_no_band_at_all_is_refused():
    with pytest.raises(InputError, match=r"num_masks must be 1 or more, got 0; .*max_fraction=0"):
        FeatureMask(0.5, num_masks=0)
