import pytest
import torch

from musicssl.errors import InputError
from musicssl.networks.layers import Dropout


def test_dropout_of_null_is_one_sentence():
    with pytest.raises(InputError, match="from 0 to 1, got None"):
        Dropout(None)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.6])
def test_dropout_keeps_the_share_and_the_mean(p):
    torch.manual_seed(0)
    size = 1_000_003  # not a multiple of the four units of a draw
    y = Dropout(p)(torch.ones(size))
    kept = y != 0
    deviation = (p * (1 - p) / size) ** 0.5
    assert abs(kept.double().mean().item() - (1 - p)) < 5 * deviation
    assert torch.allclose(y[kept], torch.tensor(1 / (1 - p)), rtol=1e-4)


def test_dropped_units_are_independent_of_their_neighbours():
    torch.manual_seed(0)
    dropped = (Dropout(0.5)(torch.ones(400_000)) == 0).double() - 0.5
    for lag in (1, 2, 3, 4, 8):
        correlation = (dropped[lag:] * dropped[:-lag]).mean() * 4
        assert abs(correlation) < 5 / 400_000**0.5


def test_dropout_passes_gradients_of_what_it_kept():
    x = torch.rand(7, 13, requires_grad=True)
    y = Dropout(0.6)(x)
    y.sum().backward()
    assert torch.allclose(x.grad, (y / x).detach())


def test_dropout_follows_the_seed_and_is_off_in_evaluation():
    layer, x = Dropout(0.3), torch.rand(100)
    torch.manual_seed(1)
    first = layer(x)
    torch.manual_seed(1)
    assert torch.equal(layer(x), first)
    assert torch.equal(layer.eval()(x), x)
    assert torch.equal(Dropout(0.0)(x), x)


def test_dropout_of_a_batch_without_units_is_empty():
    assert Dropout(0.5)(torch.zeros(0, 4)).shape == (0, 4)
