import math

import torch

from musicssl.augment.dsp.padding import clip_lengths, mean_power, repeated, silence_padding


def test_padding_alone_becomes_silence():
    x = torch.rand(3, 5) + 1
    x[1, 2:] = math.nan
    y = silence_padding(x, torch.tensor([5, 2, 4]))
    expected = [[*x[0]], [*x[1, :2], 0, 0, 0], [*x[2, :4], 0]]
    assert torch.equal(y, torch.tensor(expected))
    assert silence_padding(x, None) is x


def test_the_power_is_that_of_the_valid_samples():
    x = torch.randn(3, 50, dtype=torch.float64)
    lengths = [50, 1, 20]
    x[1, 1:] = math.nan
    power = mean_power(x, torch.tensor(lengths))
    for clip, length, mean in zip(x.tolist(), lengths, power[:, 0].tolist(), strict=True):
        assert math.isclose(mean, sum(value**2 for value in clip[:length]) / length)
    torch.testing.assert_close(mean_power(x[:1], None), power[:1])


def test_the_power_of_a_long_clip_in_half_precision_does_not_overflow():
    x = torch.full((1, 100_000), 2.0, dtype=torch.float16)
    assert mean_power(x, torch.tensor([100_000])).item() == 4.0


def test_clips_begin_again():
    x = torch.arange(10.0).view(2, 5)
    y = repeated(x, torch.tensor([[5], [3]]), 8)
    assert y.tolist() == [[0, 1, 2, 3, 4, 0, 1, 2], [5, 6, 7, 5, 6, 7, 5, 6]]


def test_no_lengths_are_full_lengths():
    assert clip_lengths(torch.zeros(2, 5), None).tolist() == [[5], [5]]


def test_an_empty_clip_counts_as_one_sample():
    assert clip_lengths(torch.zeros(2, 5), torch.tensor([4, 0])).tolist() == [[4], [1]]
