import math
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from musicssl.methods.base.optimisation import step_by_step, total_steps, with_layer_decay


@pytest.mark.parametrize(
    ("max_epochs", "max_steps", "expected"),
    [(3, -1, 30), (3, 12, 12), (3, 100, 30), (None, 12, 12), (-1, 12, 12), (-1, -1, math.inf)],
)
def test_training_ends_at_the_first_limit(max_epochs, max_steps, expected):
    trainer = SimpleNamespace(max_epochs=max_epochs, max_steps=max_steps)
    assert total_steps(trainer, steps_per_epoch=10) == expected


def test_a_group_learns_slower_the_farther_it_is_from_the_top():
    top, low = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(3))
    build = partial(torch.optim.SGD, lr=0.1)
    optimizer = with_layer_decay(build, {0: [top], 3: [low]}, decay=0.5)
    assert [group["params"] for group in optimizer.param_groups] == [[top], [low]]
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.1, 0.1 / 8])


def test_the_rate_follows_fractions_of_an_epoch():
    """Oracle: a schedule that falls in a straight line, at quarters of an epoch."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=2.0)
    rate = step_by_step(optimizer, lambda epoch: 1 - epoch / 10, steps_per_epoch=4)
    found = []
    for _ in range(5):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        rate.step()
    assert found == pytest.approx([2.0, 1.95, 1.9, 1.85, 1.8])
