import torch

from musicssl.batch import Batch


def batch(count=4, lengths=True):
    torch.manual_seed(count)
    return Batch(
        torch.rand(count, 5, 8),
        torch.rand(count, 3),
        torch.rand(count, 3) < 0.5,
        torch.arange(1, count + 1) if lengths else None,
        torch.arange(count) + 10,
        torch.rand(count, 5, 3) < 0.5,
        torch.rand(count, 7),
        torch.rand(count) < 0.5,
    )


def test_clips_are_selected_by_a_mask_or_by_index():
    whole = batch()
    by_mask = whole.select(torch.tensor([False, True, False, True]))
    by_place = whole.select(torch.tensor([1, 3]))
    for part, other, all_clips in zip(by_mask, by_place, whole, strict=True):
        assert torch.equal(part, other)
        assert torch.equal(part, all_clips[1::2])


def test_two_batches_join_in_order():
    joined = batch(4).join(batch(2))
    for part, first, second in zip(joined, batch(4), batch(2), strict=True):
        assert torch.equal(part[:4], first)
        assert torch.equal(part[4:], second)
    assert batch(lengths=False).join(batch(lengths=False)).lengths is None


def test_augmenting_changes_the_instances_alone():
    whole = batch()
    other = whole.augmented(lambda x, lengths: x + lengths[:, None, None])
    torch.testing.assert_close(
        other.x - whole.x, torch.arange(1.0, 5)[:, None, None].expand(4, 5, 8)
    )
    assert all(a is b for a, b in zip(other[1:], whole[1:], strict=True))
