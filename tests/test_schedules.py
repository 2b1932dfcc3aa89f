import math
from functools import partial

import numpy as np
import pytest
import torch

from musicssl.schedules import bound_to, cosine, ramps, sigmoid_rampdown, sigmoid_rampup

EPOCHS = np.linspace(0, 100, 401)


def test_the_ramp_up_rises_to_one_and_stays():
    """Values of the mean teacher's code at 0, 1/4, 1/2 and 1."""
    values = [sigmoid_rampup(epoch, 40) for epoch in (0, 10, 20, 40, 90)]
    assert values == pytest.approx([0.006738, 0.060055, 0.286505, 1, 1], abs=1e-6)
    assert (np.diff([sigmoid_rampup(epoch, 40) for epoch in EPOCHS]) >= 0).all()


def test_the_ramp_down_falls_although_the_thesis_prints_one_that_rises():
    values = [sigmoid_rampdown(epoch, 40, end=100) for epoch in (0, 60, 70, 80, 100)]
    assert values == pytest.approx([1, 1, 0.457833, 0.043937, 3.7e-6], abs=1e-6)
    assert (np.diff([sigmoid_rampdown(epoch, 40, end=100) for epoch in EPOCHS]) <= 0).all()


def test_over_fifty_epochs_it_is_the_ramp_down_of_laine_and_aila():
    for passed in range(51):
        expected = math.exp(-((0.5 * passed) ** 2) / 50)
        assert sigmoid_rampdown(250 + passed, 50, end=300) == pytest.approx(expected)


def test_a_ramp_of_no_length_does_nothing():
    for epoch in (0, 3, 100):
        assert sigmoid_rampup(epoch, 0) == sigmoid_rampdown(epoch, 0, end=100) == 1


def test_both_ramps_together_are_their_product():
    both = partial(ramps, up_epochs=10, down_epochs=50, end=100)
    for epoch in EPOCHS:
        expected = sigmoid_rampup(epoch, 10) * sigmoid_rampdown(epoch, 50, 100)
        assert both(epoch) == pytest.approx(expected)


def test_the_cosine_is_that_of_torch():
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=40)
    for epoch in range(41):
        assert cosine(epoch, end=40) == pytest.approx(scheduler.get_last_lr()[0], abs=1e-12)
        optimizer.step()
        scheduler.step()


def test_a_schedule_learns_where_training_ends_unless_it_was_told():
    assert bound_to(40, partial(cosine, warmup_epochs=0))(20) == pytest.approx(0.5)
    assert bound_to(40, partial(cosine, end=80))(20) == cosine(20, end=80)
    assert bound_to(40, partial(ramps, up_epochs=10, down_epochs=20))(40) < 1e-5
    assert bound_to(40, sigmoid_rampup) is sigmoid_rampup
