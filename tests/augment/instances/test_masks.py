import math

import torch

from musicssl.augment.instances.masks import clip_mean, random_stretches


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


def test_widths_are_uniform_and_places_are_uniform_among_those_that_fit():
    torch.manual_seed(0)
    n, size, largest = 60_000, 5, 3
    hidden = random_stretches(torch.full((n,), largest), torch.full((n,), size), 7)
    rows, counts = hidden.long().unique(dim=0, return_counts=True)
    seen = {tuple(row): count for row, count in zip(rows.tolist(), counts.tolist(), strict=True)}
    expected = {}
    for width in range(largest + 1):
        starts = range(size - width + 1)
        for start in starts:
            row = tuple(int(start <= t < start + width) for t in range(7))
            share = 1 / (largest + 1) / len(starts)
            expected[row] = expected.get(row, 0) + share
    assert seen.keys() == expected.keys()
    for row, share in expected.items():
        assert abs(seen[row] / n - share) < 5 * (share * (1 - share) / n) ** 0.5


def test_each_clip_keeps_to_its_own_size_and_width():
    torch.manual_seed(0)
    sizes = torch.arange(1, 9).repeat(500)
    largest = sizes - 1
    hidden = random_stretches(largest, sizes, 8)
    assert not hidden[torch.arange(8) >= sizes[:, None]].any()
    widths = hidden.sum(dim=1).view(500, 8)
    assert widths.amax(dim=0).tolist() == list(range(8))
    assert widths.amin(dim=0).tolist() == [0] * 8
