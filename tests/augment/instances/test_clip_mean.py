import math

import torch

from musicssl.augment.instances.clip_mean import clip_mean


def test_each_clip_is_averaged_over_its_valid_instances():
    x = torch.rand(4, 6, 5, dtype=torch.float64)
    lengths = [6, 1, 3, 5]
    for clip, length in zip(x, lengths, strict=True):
        clip[length:] = math.nan
    means = clip_mean(x, torch.tensor(lengths))
    assert means.shape == (4, 1, 5)
    for clip, length, mean in zip(x, lengths, means, strict=True):
        torch.testing.assert_close(mean[0], sum(clip[t] for t in range(length)) / length)


def test_without_lengths_all_instances_count():
    x = torch.rand(4, 6, 5)
    torch.testing.assert_close(clip_mean(x, None), x.mean(dim=1, keepdim=True))
