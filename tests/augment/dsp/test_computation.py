import pytest
import torch

from musicssl.augment.dsp.computation import in_parts


@pytest.mark.parametrize("num_clips", [1, 8, 9, 30])
def test_parts_are_put_together_again(num_clips):
    x, factors = torch.randn(num_clips, 5), torch.randn(num_clips, 1)
    calls = []

    def scaled(some, by):
        calls.append(len(some))
        return some * by

    assert torch.equal(in_parts(scaled, x, factors), x * factors)
    assert sum(calls) == num_clips
    assert max(calls) <= 8


def test_on_another_device_all_go_at_once():
    sizes = []
    in_parts(lambda x: sizes.append(len(x)) or x, torch.empty(30, 5, device="meta"))
    assert sizes == [30]
