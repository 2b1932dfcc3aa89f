import torch

from musicssl.augment.dsp.repetition import clip_lengths, repeated


def test_clips_begin_again():
    x = torch.arange(10.0).view(2, 5)
    y = repeated(x, torch.tensor([[5], [3]]), 8)
    assert y.tolist() == [[0, 1, 2, 3, 4, 0, 1, 2], [5, 6, 7, 5, 6, 7, 5, 6]]


def test_no_lengths_are_full_lengths():
    assert clip_lengths(torch.zeros(2, 5), None).tolist() == [[5], [5]]


def test_an_empty_clip_counts_as_one_sample():
    assert clip_lengths(torch.zeros(2, 5), torch.tensor([4, 0])).tolist() == [[4], [1]]
