import itertools

import pytest
import torch

from musicssl.batch import Batch
from musicssl.errors import InputError
from musicssl.methods.vicreg import VICReg
from tests.support.on_sound import trained_on_sound
from tests.support.training import representation_parts

NOTHING_SEEN = Batch(*[torch.empty(0)] * 3)  # no labels either


def method(**changes):
    torch.manual_seed(0)
    return VICReg(**representation_parts(**{"num_crops": 2} | changes))


def test_the_loss_weighs_what_the_formulas_say_of_the_crops_of_each_clip():
    """Equations 1 to 6 by loops, on crops of a clip that lie one after the other."""
    z = 0.5 * torch.randn(2 * 6, 4, generator=torch.Generator().manual_seed(1))
    views = (z[::2], z[1::2])
    invariance = sum(((a - b) ** 2).mean() for a, b in zip(*views, strict=True)) / 6
    variance = covariance = 0.0
    for view in views:
        c = torch.cov(view.T)
        variance += sum(max(0.0, 1 - (c[j, j] + 1e-4).sqrt()) for j in range(4)) / 4 / 2
        covariance += sum(c[i, j] ** 2 for i, j in itertools.permutations(range(4), 2)) / 4
    loss, notes = method(
        invariance_weight=2.0, variance_weight=3.0, covariance_weight=5.0
    ).objective(NOTHING_SEEN, z)
    torch.testing.assert_close(loss, 2 * invariance + 3 * variance + 5 * covariance)
    expected = {"invariance": invariance, "variance": variance, "covariance": covariance}
    torch.testing.assert_close(dict(notes), expected)


@pytest.mark.parametrize("num_crops", [2, 3])
def test_a_collapsed_batch_costs_what_it_lacks_in_variance(num_crops):
    """Standard deviations of 0 fall short by 1, but for the root of the paper's 0.0001."""
    collapsed = torch.ones(6 * num_crops, 4)
    loss = method(num_crops=num_crops).objective(NOTHING_SEEN, collapsed).loss
    torch.testing.assert_close(loss, torch.tensor(25 * 0.99))
    spread = torch.cat([torch.eye(4), -torch.eye(4)]) * 2
    healthy = method(num_crops=num_crops).objective(
        NOTHING_SEEN, spread.repeat_interleave(num_crops, dim=0)
    )
    assert healthy.loss == 0


def test_two_steps_on_sound_move_all_that_is_trained(tmp_path):
    _, unmoved = trained_on_sound(tmp_path, VICReg, {"b_s": 0}, num_crops=2)
    assert not unmoved


def test_a_negative_weight_is_refused():
    with pytest.raises(InputError, match="must be 0 or more, got 25, -1 and 1"):
        method(variance_weight=-1.0)
