import pytest
import torch

from musicssl.augment.instances.resample import Resample
from musicssl.networks.pooling import AttentionPooling


def numbered(num_clips=64, num_instances=10):
    """Clips whose instances say which they are."""
    return torch.arange(num_clips * num_instances).view(num_clips, num_instances, 1).float()


@pytest.mark.parametrize(("share", "kept"), [(0.4, 4), (0.5, 5), (1.0, 10), (0.01, 1)])
def test_the_kept_instances_occur_about_equally_often(share, kept):
    x = numbered()
    found = Resample(share)(x)
    for before, after in zip(x, found, strict=True):
        values, counts = after.unique(return_counts=True)
        assert len(values) == kept
        assert set(values.tolist()) <= set(before.flatten().tolist())
        assert counts.max() - counts.min() <= 1


def test_instances_are_kept_equally_often():
    torch.manual_seed(0)
    x = torch.arange(10.0).view(1, 10, 1).expand(4000, 10, 1)
    kept = torch.stack([(Resample(0.3)(x) == i).any(dim=1).float().mean() for i in range(10)])
    torch.testing.assert_close(kept, torch.full((10,), 0.3), atol=0.04, rtol=0)  # 5 standard errors


def test_padding_is_never_drawn():
    x, lengths = numbered(), torch.arange(64) % 10 + 1
    found = Resample(0.5)(x, lengths)
    for clip, length in enumerate(lengths.tolist()):
        assert found[clip].max() < x[clip, 0] + length
        assert len(found[clip].unique()) == max(1, round(length / 2))  # half to even, as torch


def test_a_pooling_of_weights_judges_the_bag_by_the_instances_kept():
    torch.manual_seed(0)
    pooling, x = AttentionPooling(8, 3), torch.rand(1, 10, 8)
    found = Resample(0.5)(x)
    alone = found[:, :5]  # each of the kept ones once
    torch.testing.assert_close(pooling(found), pooling(alone))
