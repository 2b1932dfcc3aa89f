import torch

from musicssl.augment.sound.echo import earlier


def slowly(x, delays):
    y = torch.zeros_like(x)
    for clip in range(x.shape[0]):
        for place in range(x.shape[1]):
            before = place - int(delays[clip, place])
            y[clip, place] = x[clip, before] if before >= 0 else 0
    return y


def test_a_delay_for_each_sample():
    torch.manual_seed(0)
    x, delays = torch.rand(4, 30), torch.randint(0, 41, (4, 30))
    assert torch.equal(earlier(x, delays, 40), slowly(x, delays))


def test_a_delay_for_each_clip():
    torch.manual_seed(0)
    x, delays = torch.rand(5, 30), torch.tensor([[0], [1], [29], [30], [200]])
    assert torch.equal(earlier(x, delays, 200), slowly(x, delays.expand(-1, 30)))
