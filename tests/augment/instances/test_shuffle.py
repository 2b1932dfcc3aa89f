import torch

from musicssl.augment.instances.shuffle import Shuffle


def numbered(num_clips, num_instances):
    """Clips whose instances are told apart by every feature."""
    numbers = torch.arange(num_clips * num_instances).view(num_clips, num_instances, 1)
    return numbers.expand(-1, -1, 4).float()


def test_a_clip_keeps_its_instances_and_padding_stays_at_the_end():
    lengths = torch.tensor([10, 1, 7, 2] * 20)
    x = numbered(80, 10)
    y = Shuffle()(x, lengths)
    for clip, view, length in zip(x, y, lengths, strict=True):
        assert torch.equal(view[:length].sort(dim=0).values, clip[:length])
        assert torch.equal(view[length:].sort(dim=0).values, clip[length:])


def test_all_orders_are_equally_likely():
    torch.manual_seed(0)
    n = 12_000
    x = torch.arange(3.0).view(1, 3, 1).expand(n, 3, 2)
    counts = Shuffle()(x)[:, :, 0].unique(dim=0, return_counts=True)[1]
    assert len(counts) == 6
    deviation = (1 / 6 * 5 / 6 / n) ** 0.5
    assert ((counts / n - 1 / 6).abs() < 5 * deviation).all()


def test_clips_are_shuffled_apart():
    torch.manual_seed(0)
    y = Shuffle()(torch.arange(10.0).view(1, 10, 1).expand(50, 10, 1))
    assert len(y.unique(dim=0)) == 50
