"""What every transform is held to, of instances or of sound."""

import torch


def seeded(transform, x, lengths=None, seed=0):
    torch.manual_seed(seed)
    return transform(x, lengths)


def assert_same_kind(transform, x, lengths):
    """A tensor of the same kind is returned, other than `x`, which stays as it was."""
    before = x.clone()
    y = seeded(transform, x, lengths)
    assert torch.equal(x, before)
    assert y.data_ptr() != x.data_ptr()
    assert (y.shape, y.dtype) == (x.shape, x.dtype)
    assert y.isfinite().all()
    assert not torch.equal(y, x)


def assert_seed_alone_decides(transform, x, lengths):
    first = seeded(transform, x, lengths)
    assert torch.equal(seeded(transform, x, lengths), first)
    assert not torch.equal(seeded(transform, x, lengths, seed=1), first)


def assert_padding_is_not_heard(transform, x, lengths, valid, padding):
    """Whatever lies where `valid` is False, what lies elsewhere becomes the same."""
    hidden = ~valid.reshape(*valid.shape, *[1] * (x.ndim - 2))
    expected = seeded(transform, x, lengths)
    found = seeded(transform, x.masked_fill(hidden, padding), lengths)
    assert torch.equal(found[valid], expected[valid])
